"""img2dataset: files of the original bytes, without resizing, on all cores."""

import os
from pathlib import Path

from img2dataset import download
from work import arguments, timed, urls

options = arguments()
listed = Path(options.folder) / "list.txt"


def collect() -> None:
    processes = os.cpu_count() or 1
    download(
        url_list=str(listed),
        output_folder=str(Path(options.folder) / "images"),
        output_format="files",
        input_format="txt",
        resize_mode="no",
        disable_all_reencoding=True,
        processes_count=processes,
        thread_count=options.connections,
        number_sample_per_shard=max(1, options.count // processes),
        enable_wandb=False,
        disallowed_header_directives=[],
    )


if __name__ == "__main__":  # spawned workers import this file
    listed.write_text("\n".join(urls(options.port, options.count)))
    timed(collect)
