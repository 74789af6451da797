from pixmill.core.errors import PixmillError as PixmillError
from pixmill.project.api import Project as Project
from pixmill.project.api import load_project as load_project

__version__: str
