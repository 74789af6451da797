"""img2dataset: files of the original bytes, without resizing, on all cores."""

import os
from pathlib import Path

from img2dataset import download
from work import arguments, timed, urls

told = arguments()
listed = Path(told.folder) / "list.txt"


def collect() -> None:
    processes = os.cpu_count() or 1
    download(
        url_list=str(listed),
        output_folder=str(Path(told.folder) / "images"),
        output_format="files",
        input_format="txt",
        resize_mode="no",
        disable_all_reencoding=True,
        processes_count=processes,
        thread_count=told.connections,
        number_sample_per_shard=max(1, told.count // processes),
        enable_wandb=False,
        disallowed_header_directives=[],
    )


if __name__ == "__main__":  # its workers are started anew and read this file again
    listed.write_text("\n".join(urls(told.port, told.count)))
    timed(collect)
