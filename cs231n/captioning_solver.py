"""The training loop of captioning models (given)."""

import os
from inspect import isfunction
from pathlib import Path
from typing import Any

import numpy as np

from cs231n import optim
from cs231n.coco_utils import sample_coco_minibatch
from cs231n.support import checkpoint
from cs231n.support.accuracy import as_number
from cs231n.support.progress import progress_bar
from cs231n.support.threads import one_blas_thread

# Settings that count something, and the smallest number that makes sense.
_LEAST = {
    "batch_size": 1,
    "num_epochs": 0,
    "print_every": 1,
    "val_every": 0,
    "val_size": 1,
    "checkpoint_every": 1,
    "feature_noise": 0,
}


class CaptioningSolver:
    """Train a captioning model by stochastic gradient descent.

    A model has a ``params`` dictionary of arrays and a ``loss(features, captions)``
    that returns a loss and a dictionary of gradients with the same names. After
    ``train()`` the model's parameters are the trained ones.

    With ``checkpoint`` set, everything a run depends on (parameters, the update rule's
    state, histories, NumPy's global random state) is saved as it goes, so that a run
    killed at any moment continues with the very numbers of an unbroken one: build the
    same model and solver again, and call ``train()``.

    Attributes:
        epoch: Epochs finished.
        loss_history: Loss of each iteration's minibatch.
        val_loss_history: (iteration, loss) pairs, when ``val_every`` asks for them.
        best_params: The parameters with the lowest validation loss, when ``keep_best``
            asks for them.
        best_val_acc, train_acc_history, val_acc_history: Kept for notebooks that look
            at them; captioning has no accuracy, so they stay as they start.
        optim_configs: Parameter name -> the update rule's settings and state.

    Example:
        >>> from cs231n.classifiers.rnn import CaptioningRNN
        >>> from cs231n.coco_utils import load_coco_data
        >>> from cs231n.embedded import captions
        >>> data = load_coco_data(captions.ensure(), max_train=50)
        >>> model = CaptioningRNN(data["word_to_idx"], hidden_dim=16)
        >>> solver = CaptioningSolver(model, data, update_rule="adam", batch_size=25)
        >>> solver.epoch, solver.loss_history  # train() fills it
        (0, [])
    """

    def __init__(self, model: Any, data: dict[str, Any], **kwargs: Any) -> None:
        """Prepare a run.

        Args:
            model: The captioning model to train.
            data: What load_coco_data returned.
            **kwargs: ``update_rule`` ('sgd'): name of a function in cs231n.optim.
                ``optim_config`` ({}): its settings, copied for each parameter.
                ``lr_decay`` (1.0): factor on the learning rate after each epoch.
                ``batch_size`` (100): captions in a minibatch.
                ``num_epochs`` (10): passes over the training captions.
                ``print_every`` (10): iterations between printed losses.
                ``verbose`` (True): print losses, and show a progress bar.
                ``val_every`` (0): iterations between validation losses; 0 for none.
                ``val_size`` (500): captions a validation loss is measured on.
                ``checkpoint`` (None): file to save to and to resume from, ``.npz``.
                ``checkpoint_every`` (None): iterations between checkpoints; None for
                one at the end of each epoch.
                ``feature_noise`` (0.0): normal noise that is added to a minibatch's
                features, in parts of their root mean square. New noise each time
                keeps a model from learning pictures by heart.
                ``keep_best`` (False): end with the parameters of the lowest validation
                loss, of those that ``val_every`` measured, not with the last ones.

        Raises:
            ValueError: If a keyword or the update rule is unknown, or a number is out
                of range.
        """
        self.model = model
        self.data = data

        rule = kwargs.pop("update_rule", "sgd")
        self.optim_config: dict[str, Any] = kwargs.pop("optim_config", {})
        self.lr_decay: float = kwargs.pop("lr_decay", 1.0)
        self.batch_size: int = kwargs.pop("batch_size", 100)
        self.num_epochs: int = kwargs.pop("num_epochs", 10)
        self.print_every: int = kwargs.pop("print_every", 10)
        self.verbose: bool = kwargs.pop("verbose", True)
        self.val_every: int = kwargs.pop("val_every", 0)
        self.val_size: int = kwargs.pop("val_size", 500)
        self.checkpoint: str | os.PathLike[str] | None = kwargs.pop("checkpoint", None)
        self.checkpoint_every: int | None = kwargs.pop("checkpoint_every", None)
        self.feature_noise: float = kwargs.pop("feature_noise", 0.0)
        self.keep_best: bool = kwargs.pop("keep_best", False)
        if kwargs:
            names = ", ".join(repr(name) for name in sorted(kwargs))
            raise ValueError(
                f"CaptioningSolver got unknown arguments: {names}; "
                "see its help for the ones it takes."
            )
        rules = [n for n, f in vars(optim).items() if isfunction(f) and n[0] != "_"]
        if rule not in rules:
            raise ValueError(
                f"update_rule is {rule!r}, which cs231n.optim does not have; "
                f"choose one of {', '.join(rules)}."
            )
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise ValueError(f"{name} is {value!r}; use {least} or more.")
        if self.keep_best and not self.val_every:
            raise ValueError(
                "keep_best asks for the lowest validation loss, but val_every is 0; "
                "say how often it is measured."
            )
        self._rule_name = rule
        self.update_rule = getattr(optim, rule)
        self._reset()

    def _reset(self) -> None:
        """Start the books of a new run."""
        self.epoch = 0
        self.best_val_acc = 0
        self.best_params: dict[str, Any] = {}
        self.loss_history: list[float] = []
        self.train_acc_history: list[float] = []
        self.val_acc_history: list[float] = []
        self.val_loss_history: list[tuple[int, float]] = []
        self.optim_configs = {
            name: dict(self.optim_config) for name in self.model.params
        }

    def _step(self) -> None:
        """Draw a minibatch and update every parameter once."""
        captions, features, _ = sample_coco_minibatch(
            self.data, batch_size=self.batch_size, split="train"
        )
        if self.feature_noise:
            size = self.feature_noise * np.sqrt(np.mean(features**2))
            noise = size * np.random.standard_normal(features.shape)
            features = features + noise.astype(features.dtype)
        loss, grads = self.model.loss(features, captions)
        loss = as_number(loss)
        if missing := [name for name in self.model.params if name not in grads]:
            raise KeyError(
                f"The model's loss gave no gradient of {', '.join(missing)}; put one "
                "for each of params into grads."
            )
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"The loss became {loss} at iteration {len(self.loss_history) + 1}; "
                "lower the learning rate and start again (the parameters are those "
                "before this step)."
            )
        self.loss_history.append(loss)
        for name, w in self.model.params.items():
            self.model.params[name], self.optim_configs[name] = self.update_rule(
                w, grads[name], self.optim_configs[name]
            )

    def check_accuracy(
        self,
        X: Any,  # noqa: ARG002 (the signature is a promise to old notebooks)
        y: Any,  # noqa: ARG002
        num_samples: int | None = None,  # noqa: ARG002
        batch_size: int = 100,  # noqa: ARG002
    ) -> float:
        """Return 0.0: a caption is not right or wrong. Score it with caption_metrics.

        Args:
            X: Ignored.
            y: Ignored.
            num_samples: Ignored.
            batch_size: Ignored.
        """
        return 0.0

    def validation_loss(self) -> float:
        """Return the loss on a fixed draw of validation captions.

        The draw has a generator of its own, so measuring does not change the run.
        """
        captions, features, _ = sample_coco_minibatch(
            self.data,
            batch_size=self.val_size,
            split="val",
            rng=np.random.default_rng(231),
        )
        total = 0.0
        for start in range(0, self.val_size, 100):
            part = slice(start, start + 100)
            loss, _ = self.model.loss(features[part], captions[part])
            total += as_number(loss) * len(captions[part])
        return total / self.val_size

    @one_blas_thread()
    def train(self) -> None:
        """Run the optimization, from its checkpoint if there is one.

        Raises:
            FloatingPointError: If the loss stops being finite. The parameters, and a
                checkpoint, are those before the step that did it.
            ValueError: If the checkpoint belongs to another run or is damaged.

        Example:
            >>> from cs231n.classifiers.rnn import CaptioningRNN
            >>> words = {"<NULL>": 0, "<START>": 1, "<END>": 2}
            >>> data = {
            ...     "train_captions": np.array([[1, 2]]),
            ...     "train_image_idxs": np.array([0]),
            ...     "train_features": np.ones((1, 5), np.float32),
            ...     "train_urls": np.array(["a"]),
            ... }
            >>> model = CaptioningRNN(words, input_dim=5)
            >>> solver = CaptioningSolver(model, data, batch_size=1, verbose=False)
            >>> solver.train()
            >>> losses = solver.loss_history
            >>> len(losses), losses[-1] < losses[0]
            (10, True)
        """
        num_train = self.data["train_captions"].shape[0]
        per_epoch = max(num_train // self.batch_size, 1)
        total = self.num_epochs * per_epoch
        save_every = self.checkpoint_every or per_epoch

        if self.checkpoint is not None and Path(self.checkpoint).exists():
            self.load_checkpoint(self.checkpoint)
            if self.verbose:
                print(
                    f"Resuming after iteration {len(self.loss_history)} of {total} "
                    f"from {os.fspath(self.checkpoint)}."
                )
        start = len(self.loss_history)
        with progress_bar(total, "training", self.verbose, initial=start) as bar:
            for t in range(start, total):
                self._step()
                bar.update()
                if self.verbose and t % self.print_every == 0:
                    loss = self.loss_history[-1]
                    bar.write(f"(Iteration {t + 1} / {total}) loss: {loss:f}")
                if self.val_every and (t + 1) % self.val_every == 0:
                    self._validate(t + 1)
                if (t + 1) % per_epoch == 0:
                    self.epoch += 1
                    for name in self.optim_configs:
                        self.optim_configs[name]["learning_rate"] *= self.lr_decay
                at_end = t + 1 == total
                if self.checkpoint is not None and (
                    (t + 1) % save_every == 0 or at_end
                ):
                    self.save_checkpoint(self.checkpoint)
        self.model.params.update(_copied(self.best_params))

    def _validate(self, iteration: int) -> None:
        """Note the validation loss, and the parameters if it is the lowest so far."""
        loss = self.validation_loss()
        lowest = min((x for _, x in self.val_loss_history), default=np.inf)
        if self.keep_best and loss < lowest:
            self.best_params = _copied(self.model.params)
        self.val_loss_history.append((iteration, loss))

    def save_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Save all that a run depends on, whole or not at all.

        Args:
            path: An ``.npz`` file of plain arrays; replaced if it exists.

        Raises:
            OSError: If it cannot be written; an older checkpoint stays as it was.
        """
        _, keys, *random = np.random.get_state(legacy=True)
        arrays: dict[str, Any] = {
            "random/keys": keys,
            "loss_history": np.array(self.loss_history, dtype=np.float64),
            "val_loss_history": np.array(self.val_loss_history).reshape(-1, 2),
        }
        numbers: dict[str, dict[str, Any]] = {}
        for name, w in self.model.params.items():
            arrays[f"params/{name}"] = w
            numbers[name] = {}
            for key, value in self.optim_configs[name].items():
                if isinstance(value, np.ndarray | np.generic):
                    arrays[f"optim/{name}/{key}"] = value
                else:
                    numbers[name][key] = value
        arrays |= {f"best/{name}": w for name, w in self.best_params.items()}
        facts = {"epoch": self.epoch, "optim": numbers, "random": random}
        checkpoint.save(path, arrays, self._settings(), **facts)

    def load_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Take up a saved run: parameters, state, histories and random numbers.

        Args:
            path: A file that save_checkpoint wrote.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is damaged, or of a run with another model or settings.
        """
        reading = checkpoint.reading(path, "CaptioningSolver", self._settings())
        with reading as (arrays, facts):
            params = {
                name: checkpoint.fitting(arrays, f"params/{name}", w)
                for name, w in self.model.params.items()
            }
            best = {
                name: checkpoint.fitting(arrays, f"best/{name}", params[name])
                for name in checkpoint.below(arrays, "best/")
            }
            configs = {}
            for name in params:
                state = checkpoint.below(arrays, f"optim/{name}/")
                state = {key: value[()] for key, value in state.items()}
                configs[name] = facts["optim"][name] | state
            losses = arrays["loss_history"].tolist()
            val_losses = [(int(t), float(x)) for t, x in arrays["val_loss_history"]]
            random = ("MT19937", arrays["random/keys"], *facts["random"])
            np.random.RandomState(0).set_state(random)  # raises if it is no state
            epoch = facts["epoch"]
        self.model.params.update(params)
        self.best_params = best
        self.optim_configs = configs
        self.epoch = epoch
        self.loss_history, self.val_loss_history = losses, val_losses
        np.random.set_state(random)

    def _settings(self) -> dict[str, Any]:
        """What must be the same for a checkpoint to continue this run."""
        return {
            "update_rule": self._rule_name,
            "optim_config": {
                k: v.item() if isinstance(v, np.generic) else v
                for k, v in self.optim_config.items()
                if np.ndim(v) == 0
            },
            "lr_decay": self.lr_decay,
            "batch_size": self.batch_size,
            "val_every": self.val_every,
            "feature_noise": self.feature_noise,
            **({"keep_best": True} if self.keep_best else {}),
            "train_captions": list(self.data["train_captions"].shape),
            "params": {
                name: [list(w.shape), str(w.dtype)]
                for name, w in self.model.params.items()
            },
        }


def _copied(params: dict[str, Any]) -> dict[str, Any]:
    return {name: w.copy() for name, w in params.items()}
