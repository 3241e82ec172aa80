"""The original notebooks' cells that train, with their settings and their draw."""

import contextlib
import io
from functools import partial
from typing import Any

import numpy as np

Line = dict[str, Any]

LIMITS = {"rnn": 0.1, "lstm": 0.5}
"""What the original texts say of the final loss."""
DECAYS = {"rnn": 0.95, "lstm": 0.995}


def measure_overfit(cell_type: str, seeds: list[int]) -> list[Line]:
    """Learn 50 captions by heart, as the notebooks of 2017 to 2020 do.

    They draw captions with replacement, so two of them may be of one picture. Such
    captions cannot both be learned by heart, whatever the features: the line says how
    many captions have a picture that another one has, too.

    Args:
        cell_type: ``rnn`` or ``lstm``.
        seeds: Each decides the draw, the weights and the minibatches.
    """
    return [_overfit(cell_type, seed) for seed in seeds]


def _overfit(cell_type: str, seed: int) -> Line:
    from cs231n.captioning_solver import CaptioningSolver
    from cs231n.classifiers.rnn import CaptioningRNN
    from cs231n.coco_utils import load_coco_data

    np.random.seed(seed)
    with contextlib.redirect_stdout(io.StringIO()):  # it says which data these are
        data = load_coco_data(max_train=50)
    model = CaptioningRNN(
        cell_type=cell_type,
        word_to_idx=data["word_to_idx"],
        input_dim=data["train_features"].shape[1],
        hidden_dim=512,
        wordvec_dim=256,
        dtype=np.float32,
    )
    solver = CaptioningSolver(
        model,
        data,
        update_rule="adam",
        num_epochs=50,
        batch_size=25,
        optim_config={"learning_rate": 5e-3},
        lr_decay=DECAYS[cell_type],
        verbose=False,
    )
    solver.train()
    different = np.unique(
        np.column_stack([data["train_image_idxs"], data["train_captions"]]), axis=0
    )
    _, counts = np.unique(different[:, 0], return_counts=True)
    title = f"{cell_type.upper()} overfits 50 captions, originally"
    return {
        "seed": seed,
        "shared": int(counts[counts > 1].sum()),
        f"{title}: final loss": (
            float(solver.loss_history[-1]),
            "<",
            LIMITS[cell_type],
        ),
    }


measure_rnn = partial(measure_overfit, "rnn")
measure_lstm = partial(measure_overfit, "lstm")
