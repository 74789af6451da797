"""The data sets of ``keras.datasets``: one's own copy of them, or Keras' download.

- ``source``: the source
- ``data_set``: what is known of each of them
- ``copy``: reading a copy as it is published
- ``batch``: the one file format among them that would run code
"""

from pixmill.scrape.sources.keras.data_set import DATA_SETS, DataSet
from pixmill.scrape.sources.keras.source import KerasSource

__all__ = ["DATA_SETS", "DataSet", "KerasSource"]
