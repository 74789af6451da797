"""What a run needs, looked at one by one, with the command that mends what is amiss.

- ``examination``: all of it, and its lines
- ``machine``: Python, packages and disk
- ``project``: parameters, pictures and what DVC keeps
- ``services``: the browser, MLflow and the network
- ``finding``: what came of one look
"""

from pixmill.doctor.examination import examine, render
from pixmill.doctor.finding import Finding, State

__all__ = ["Finding", "State", "examine", "render"]
