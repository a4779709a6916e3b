"""Where faces come from: one module a source, one row here. A source lists faces in a fixed order and reads
no pixels."""

from facespace.data.sources import (
    celeba,
    celebamask_hq,
    folder,
    lfw,
    olivetti,
    parquet,
    synthetic,
    webdataset,
    yearbook,
)
from facespace.data.sources.source import Source, SourceOptions

__all__ = ["SOURCES", "Source", "SourceOptions"]

SOURCES: dict[str, Source] = {
    "celeba": celeba.SOURCE,
    "celebamask-hq": celebamask_hq.SOURCE,
    "lfw": lfw.SOURCE,
    "yearbook": yearbook.SOURCE,
    "olivetti": olivetti.SOURCE,
    "folder": folder.SOURCE,
    "webdataset": webdataset.SOURCE,
    "parquet": parquet.SOURCE,
    "synthetic": synthetic.SOURCE,
}
