"""Training checkpoints that survive a kill: each is sealed with a manifest once written, and only sealed ones count.

The Trainer writes a checkpoint file by file into its final folder, so a process killed in between leaves a folder that
looks like a checkpoint and is none.
"""

import shutil
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from sentiment.errors import SentimentError
from sentiment.models.folder import verify_manifest, write_manifest

STEPS_BETWEEN_LOOKS = 20


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint in `folder`, or None; incomplete ones that are newer are deleted."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=_step, reverse=True):
        try:
            verify_manifest(checkpoint)
        except SentimentError:
            shutil.rmtree(checkpoint)
        else:
            return checkpoint
    return None


class SealCheckpoints(TrainerCallback):  # type: ignore[misc]
    """Seals every checkpoint, and asks for one whenever `every_seconds` passed since the last.

    The Trainer itself saves at the end of each epoch; an epoch of a large model on a processor takes hours. Where
    several processes train, they look at the first one's clock: all of them save, or none.
    """

    def __init__(self, every_seconds: float = 600.0) -> None:
        self.every_seconds = every_seconds
        self.saved_at = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask the Trainer to save when it is time."""
        due = time.monotonic() - self.saved_at >= self.every_seconds
        if args.world_size > 1:
            due = state.global_step % STEPS_BETWEEN_LOOKS == 0 and _as_the_first_says(due, args.device)
        if due:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Runs after the Trainer wrote the last file of the checkpoint."""
        if args.world_size > 1:
            torch.distributed.barrier()  # every process writes the state of its own random numbers
        if state.is_world_process_zero:
            write_manifest(Path(args.output_dir) / f"checkpoint-{state.global_step}")
        self.saved_at = time.monotonic()


def _as_the_first_says(due: bool, device: torch.device) -> bool:
    said = torch.tensor(int(due), device=device)
    torch.distributed.broadcast(said, src=0)
    return bool(said)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
