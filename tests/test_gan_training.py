"""The GAN training loop: what moves, what is saved, and what it says of bad data."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from cs231n import gan_pytorch
from cs231n.support.gans import training
from cs231n.support.gans.history import GANHistory
from cs231n.support.gans.step import GANStep, evaluating, frozen
from cs231n.support.gans.training import Batches, draw, train_gan

NOISE = 6


def tell(scores_real, scores_fake):
    return torch.exp(-scores_real / 2).mean() + torch.exp(scores_fake / 3).mean()


def please(scores_fake):
    return torch.exp(-scores_fake / 2).mean()


def draw_noise(N, dim):
    return torch.randn(N, dim)


def networks(seed=231, normalized=False):
    torch.manual_seed(seed)
    between = nn.BatchNorm1d(5) if normalized else nn.LeakyReLU(0.1)
    D = nn.Sequential(nn.Flatten(), nn.Linear(784, 5), between, nn.Linear(5, 1))
    G = nn.Sequential(
        nn.Linear(NOISE, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 784), nn.Tanh()
    )
    return D, G


def solvers(*models):
    return [torch.optim.Adam(m.parameters(), 2e-3) for m in models]


def pictures(rng, N=22):
    return torch.from_numpy(rng.uniform(size=(N, 1, 28, 28))).float()


def batches(rng, N=22, batch_size=4):
    return Batches(pictures(rng, N), torch.zeros(N), batch_size)


def train(loader, models=None, **changed):
    D, G = models or networks()
    arguments = {
        "draw_noise": draw_noise,
        "batch_size": 4,
        "noise_size": NOISE,
        "num_epochs": 2,
        "show_every": 3,
        "verbose": False,
    } | changed
    losses = arguments.pop("losses", (tell, please))
    return train_gan(D, G, *solvers(D, G), *losses, loader, **arguments)


def copies(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def moved(model, before):
    return [k for k, v in model.state_dict().items() if not torch.equal(v, before[k])]


def make_step(D, G, **changed):
    arguments = {"draw_noise": draw_noise, "noise_size": NOISE} | changed
    return GANStep((D, G), solvers(D, G), (tell, please), **arguments)


def test_networks_made_for_one_batch_size_are_trained_and_draw(rng):
    torch.manual_seed(231)
    D = nn.Sequential(gan_pytorch.Unflatten(4, 1, 28, 28), nn.Flatten())
    D = D.append(nn.Linear(784, 1))
    G = nn.Sequential(
        nn.Linear(NOISE, 784), gan_pytorch.Unflatten(4, 1, 28, 28), nn.Flatten()
    )
    history = train(batches(rng), (D, G))
    assert len(history.d_losses) == 10
    assert {images.shape for _, images in history.samples} == {(16, 784)}
    noise = draw_noise(10, NOISE)
    wanted = G[0](noise).detach().numpy()
    np.testing.assert_allclose(draw(G, noise, 4), wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="Unflatten got"):
        draw(G, noise, 10)


# One step.


@pytest.mark.parametrize("normalized", [False, True])
def test_the_discriminators_step_moves_no_weight_of_the_generator(normalized, rng):
    D, G = networks(normalized=normalized)
    step = make_step(D, G)
    before = copies(D), copies(G)
    step.train_discriminator(pictures(rng, 4))
    weights = {name for name, _ in G.named_parameters()}
    assert not weights & set(moved(G, before[1]))
    assert {name for name, _ in D.named_parameters()} <= set(moved(D, before[0]))


def test_the_generators_step_moves_no_weight_of_the_discriminator():
    D, G = networks()
    step = make_step(D, G)
    before = copies(D), copies(G)
    step.train_generator(4)
    assert moved(D, before[0]) == []
    assert {name for name, _ in G.named_parameters()} <= set(moved(G, before[1]))
    assert all(weight.requires_grad for weight in D.parameters())
    assert all(weight.grad is None for weight in D.parameters())


def test_frozen_weights_thaw_even_after_an_error():
    D, _ = networks()
    D[1].bias.requires_grad_(False)

    def fail():
        with frozen(D):
            assert not any(weight.requires_grad for weight in D.parameters())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [w.requires_grad for w in D.parameters()] == [True, False, True, True]


def test_evaluating_gives_each_layer_its_own_mode_back():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()))
    model[1][0].eval()
    with evaluating(model):
        assert not any(layer.training for layer in model.modules())
    assert [m.training for m in model.modules()] == [True, True, True, False]


def test_pictures_go_together_only_where_that_changes_nothing():
    assert make_step(*networks()).together
    assert not make_step(*networks(normalized=True)).together
    _, G = networks()
    D = nn.Sequential(gan_pytorch.Unflatten(4, 1, 28, 28), nn.Flatten())
    step = make_step(nn.Sequential(D, nn.Linear(784, 1)), G)
    assert not step.together  # eight pictures are no four
    assert np.isfinite(step.train_discriminator(torch.zeros(4, 1, 28, 28)))


class OldFlatten(nn.Module):
    """As notebooks of old defined it: numbers must lie in a row already."""

    def forward(self, x):
        return x.view(x.shape[0], -1)


def test_a_layer_that_needs_numbers_in_a_row_gets_them(rng):
    _, G = networks()
    torch.manual_seed(1)
    D = nn.Sequential(nn.Conv2d(1, 3, 3), OldFlatten(), nn.Linear(3 * 26 * 26, 1))
    step = make_step(D, G)
    assert np.isfinite(step.train_discriminator(pictures(rng, 4)))
    assert D[0].weight.is_contiguous()


def test_convolutions_get_their_channels_last_and_adam_is_fused():
    _, G = networks()
    D = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 3), nn.Flatten())
    step = make_step(nn.Sequential(D, nn.Linear(4 * 24 * 24, 1)), G)
    assert D[1].weight.is_contiguous(memory_format=torch.channels_last)
    assert step.D_solver.param_groups[0]["fused"] is True
    chosen = torch.optim.Adam(G.parameters(), foreach=True)
    GANStep((D, G), (step.D_solver, chosen), (tell, please), draw_noise, NOISE)
    assert not chosen.param_groups[0].get("fused")


def test_the_penalty_is_added_and_sees_both_pictures(rng):
    seen = []

    def penalty(model, real, fake):
        seen.append((model, real.shape, fake.shape))
        return torch.tensor(3.0)

    real, losses = pictures(rng, 4), []
    for extra in (None, penalty):
        D, G = networks()
        step = make_step(D, G, penalty=extra)
        losses.append(step.train_discriminator(real))
    assert seen == [(D, (4, 1, 28, 28), (4, 1, 28, 28))]
    assert losses[1] == pytest.approx(losses[0] + 3, rel=1e-6)


def test_networks_that_do_not_fit_are_named(rng):
    D, G = networks()
    small = nn.Linear(NOISE, 700)
    with pytest.raises(ValueError, match=r"made \(2, 700\) of 2 rows of noise"):
        train(batches(rng), (D, small))
    with pytest.raises(ValueError, match=r"lie on cpu and meta; move both"):
        train(batches(rng), (D.to("meta"), G))


# The loop.


def test_iterations_reports_and_losses(rng):
    history = train(batches(rng), num_epochs=3, show_every=4)
    assert len(history.d_losses) == len(history.g_losses) == 15  # 22 // 4 = 5 an epoch
    assert [t for t, _ in history.samples] == [0, 4, 8, 12]
    assert {images.shape for _, images in history.samples} == {(16, 784)}
    assert all(np.abs(images).max() <= 1 for _, images in history.samples)
    assert not np.array_equal(history.samples[0][1], history.samples[3][1])
    assert history.epochs == 3
    assert history.seconds > 0


def test_reports_do_not_change_the_run(rng):
    loader = batches(rng)
    often, seldom = (train(loader, show_every=n) for n in (1, 100))
    assert often.d_losses == seldom.d_losses
    assert len(often.samples) == 10


def test_a_generator_that_draws_for_a_report_learns_nothing():
    _, G = networks()
    before = copies(G)
    images = draw(G, torch.zeros(3, NOISE))
    assert images.shape == (3, 784)
    assert moved(G, before) == []
    assert G.training


def test_the_same_seed_gives_the_same_numbers(rng):
    loader = batches(rng)
    first, same = train(loader), train(loader)
    other = train(loader, networks(seed=1))
    assert first.d_losses == same.d_losses
    assert np.array_equal(first.samples[-1][1], same.samples[-1][1])
    assert first.d_losses != other.d_losses


def test_a_discriminator_that_learns_alone_wins(rng):
    def give_up(scores):
        return 0 * scores.sum()

    history = train(batches(rng), num_epochs=20, losses=(tell, give_up))
    assert history.d_losses[-1] < 0.2 * history.d_losses[0]


def test_the_generator_learns_in_every_nth_step(rng):
    D, G = networks()
    calls = []

    def counted(scores):
        calls.append(len(scores))
        return please(scores)

    history = train(batches(rng), (D, G), critic_steps=3, losses=(tell, counted))
    assert len(history.d_losses) == len(history.g_losses) == 10
    assert calls == [4] * 4  # at iterations 0, 3, 6 and 9


def test_progress_is_printed_and_reported(rng, capsys):
    reports = []
    history = train(batches(rng), verbose=True, report=lambda t, _: reports.append(t))
    lines = capsys.readouterr().out.splitlines()
    d, g = history.d_losses[3], history.g_losses[3]
    assert lines[1] == f"Iter: 3, D: {d:.4}, G:{g:.4}"
    assert reports == [0, 3, 6, 9]


# Loaders.


def test_batches_go_through_all_pictures_in_a_new_order():
    images = torch.arange(11.0).view(11, 1, 1, 1).expand(11, 1, 28, 28) / 10
    loader = Batches(images, np.arange(11), 3)
    assert len(loader) == 3
    passes = [torch.cat([y for _, y in loader]).tolist() for _ in range(2)]
    for x, y in loader:
        assert torch.equal((10 * x[:, 0, 0, 0]).round().long(), y)
    assert passes[0] != passes[1]
    assert all(len(set(labels)) == 9 for labels in passes)
    for size in (0, 12):
        with pytest.raises(ValueError, match=f"do not fill a batch of {size}"):
            Batches(images, np.arange(11), size)


def test_loaders_of_every_kind(rng):
    x = pictures(rng, 8)
    expected = train([x[:4], x[4:]]).d_losses
    arrays = [x[:4].numpy(), x[4:].numpy()]
    assert train(arrays).d_losses == expected
    # These draw a seed for each epoch, which changes the noise that follows.
    sets = [TensorDataset(x, torch.zeros(8)), x.reshape(8, 784)]
    first, second = (train(DataLoader(s, batch_size=4)).d_losses for s in sets)
    assert first == second
    assert len(first) == len(expected)


def test_pixels_and_networks_of_other_dtypes(rng):
    x = pictures(rng, 8)
    expected = train([x[:4], x[4:]]).d_losses
    assert train([x[:4].double(), x[4:].double()]).d_losses == expected
    D, G = networks()
    in_double = train([x[:4], x[4:]], (D.double(), G.double()))
    assert in_double.d_losses == pytest.approx(expected, rel=1e-3)


def test_a_loader_need_not_know_its_length():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(pictures(np.random.default_rng(5), 9))

    assert len(train(DataLoader(Stream(), batch_size=4)).d_losses) == 4


def test_a_short_last_batch_is_left_out(rng):
    x = pictures(rng, 10)
    history = train([x[:4], x[4:8], x[8:]])
    assert len(history.d_losses) == 4


@pytest.mark.parametrize(
    ("make", "error", "complaint"),
    [
        (lambda _: [], ValueError, "gave nothing, and not the batch_size of 4"),
        (lambda x: [x[:3], x[:2]], ValueError, "gave 2 batches, all shorter than"),
        (lambda x: [x], ValueError, "holds 5 pictures, more than the batch_size"),
        (lambda x: [x[1:, ..., :14]], ValueError, r"came with shape \(1, 28, 14\)"),
        (lambda x: [x[1:].repeat(1, 3, 1, 1)], ValueError, r"shape \(3, 28, 28\)"),
        (lambda x: [2 * x[1:] - 1], ValueError, "numbers from 0 to 1 are wanted"),
        (lambda x: [255 * x[1:]], ValueError, "numbers from 0 to 1 are wanted"),
        (lambda x: [(255 * x[1:]).byte()], TypeError, "came as torch.uint8"),
        (lambda x: [x[1:] * torch.nan], ValueError, "lie between nan and nan"),
        (lambda _: 100, TypeError, "such as show_every=100"),
    ],
    ids=[
        *("empty", "short", "long", "narrow", "coloured", "scaled already"),
        *("not divided", "bytes", "nan", "no loader"),
    ],
)
def test_bad_loaders_stop_with_a_clear_word_and_move_nothing(
    make, error, complaint, rng
):
    D, G = networks()
    before = copies(D), copies(G)
    with pytest.raises(error, match=complaint):
        train(make(pictures(rng, 5)), (D, G))
    assert moved(D, before[0]) == moved(G, before[1]) == []


@pytest.mark.parametrize(
    "name",
    ["show_every", "batch_size", "noise_size", "critic_steps", "checkpoint_every"],
)
def test_counts_must_be_whole_and_positive(name, rng):
    for value in (0, -1, 2.5):
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            train(batches(rng), **{name: value})


# Checkpoints.


class StopError(Exception):
    """Somebody pulled the plug."""


def killed_after(loader, count):
    """Yield a loader's batches, and fail when so many were taken in all."""

    class Loader:
        left = count

        def __iter__(self):
            for batch in loader:
                if not self.left:
                    raise StopError
                self.left -= 1
                yield batch

    return Loader()


@pytest.mark.parametrize("killed", [5, 8, 14])
def test_a_killed_run_continues_with_the_same_numbers(killed, rng, tmp_path):
    loader, file = batches(rng), tmp_path / "gan.npz"
    whole = networks()
    straight = train(loader, whole, num_epochs=4)
    with pytest.raises(StopError):
        train(killed_after(loader, killed), num_epochs=4, checkpoint=file)

    torch.manual_seed(99)  # another process has other random numbers
    models = networks()
    for weight in models[0].parameters():
        weight.data.zero_()
    history = train(loader, models, num_epochs=4, checkpoint=file)
    assert history.d_losses == straight.d_losses
    assert history.g_losses == straight.g_losses
    assert [t for t, _ in history.samples] == [t for t, _ in straight.samples]
    for (_, images), (_, expected) in zip(
        history.samples, straight.samples, strict=True
    ):
        assert np.array_equal(images, expected)
    for model, other in zip(models, whole, strict=True):
        for value, expected in zip(
            model.state_dict().values(), other.state_dict().values(), strict=True
        ):
            assert torch.equal(value, expected)


def test_a_run_goes_on_between_two_steps_of_the_generator(rng, tmp_path):
    loader, file, options = batches(rng), tmp_path / "gan.npz", {"critic_steps": 3}
    straight = train(loader, num_epochs=3, **options)
    train(loader, num_epochs=1, checkpoint=file, **options)
    resumed = train(loader, num_epochs=3, checkpoint=file, **options)
    assert resumed.d_losses == straight.d_losses
    assert resumed.g_losses == straight.g_losses


def test_convolutions_continue_with_the_same_numbers(rng, tmp_path):
    file, loader = tmp_path / "gan.npz", batches(rng, 8)

    def models():
        _, G = networks()
        torch.manual_seed(3)
        convolutions = nn.Conv2d(1, 3, 3, 3), nn.LeakyReLU(), nn.Conv2d(3, 4, 3)
        return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(4 * 49, 1)), G

    straight = train(loader, models(), num_epochs=4)
    train(loader, models(), num_epochs=2, checkpoint=file)
    resumed = train(loader, models(), num_epochs=4, checkpoint=file)
    assert resumed.d_losses == straight.d_losses


def test_a_finished_run_is_taken_up_without_a_step(rng, tmp_path, capsys):
    file = tmp_path / "gan.npz"
    first = train(batches(rng), checkpoint=file)
    capsys.readouterr()
    again = train([], checkpoint=file, verbose=True)
    assert again.d_losses == first.d_losses
    assert f"Resuming after epoch 2 of 2 from {file}." in capsys.readouterr().out


def test_a_checkpoint_is_plain_arrays(rng, tmp_path):
    file = tmp_path / "gan.npz"
    train(batches(rng), checkpoint=file)
    assert [path.name for path in tmp_path.iterdir()] == ["gan.npz"]
    with np.load(file, allow_pickle=False) as stored:
        assert all(stored[name].dtype.kind in "fiuU" for name in stored.files)


@pytest.mark.parametrize("poisoned", ["discriminator", "generator"])
def test_a_loss_that_is_nan_stops_and_keeps_the_last_good_checkpoint(
    poisoned, rng, tmp_path
):
    file, loader, calls = tmp_path / "gan.npz", batches(rng), []

    def spoil(loss, who):
        calls.append(who)
        return loss * (torch.nan if calls.count(poisoned) == 7 else 1)

    def spoiled_tell(real, fake):
        return spoil(tell(real, fake), "discriminator")

    def spoiled_please(fake):
        return spoil(please(fake), "generator")

    D, G = networks()
    with pytest.raises(FloatingPointError) as caught:
        train(loader, (D, G), losses=(spoiled_tell, spoiled_please), checkpoint=file)
    message = str(caught.value)
    assert message.startswith(
        f"The {poisoned}'s loss became nan at iteration 6, in epoch 2;"
    )
    assert f"{file} still holds the last good state" in message
    assert all(torch.isfinite(w).all() for m in (D, G) for w in m.parameters())
    resumed = train(loader, networks(), checkpoint=file)
    assert resumed.d_losses == train(loader, networks()).d_losses


def test_a_gradient_that_is_nan_at_the_end_of_an_epoch_spoils_no_checkpoint(
    rng, tmp_path
):
    file, loader, calls = tmp_path / "gan.npz", list(batches(rng)), []

    def please_and_spoil(fake):
        calls.append(fake)
        if len(calls) < 2 * len(loader):
            return please(fake)
        # The root of zero: a finite loss whose gradient is not.
        return please(fake) + (0 * fake).sum().sqrt()

    with pytest.raises(FloatingPointError) as caught:
        train(loader, networks(), losses=(tell, please_and_spoil), checkpoint=file)
    assert "The generator's 0.weight is no longer finite" in str(caught.value)
    assert "still holds the last good state" in str(caught.value)
    resumed = train(loader, networks(), checkpoint=file)
    assert resumed.d_losses == train(loader, networks()).d_losses


def test_a_checkpoint_of_another_run_is_refused_and_changes_nothing(rng, tmp_path):
    file, loader = tmp_path / "gan.npz", batches(rng)
    train(loader, checkpoint=file)
    D, G = networks(seed=4)
    before = copies(D)
    with pytest.raises(ValueError, match="show_every was 3, is 5"):
        train(loader, (D, G), checkpoint=file, show_every=5)
    wider = nn.Sequential(nn.Flatten(), nn.Linear(784, 6), nn.Linear(6, 1))
    with pytest.raises(ValueError, match=r"D/1\.weight came as"):
        train(loader, (wider, G), checkpoint=file)
    assert moved(D, before) == []


@pytest.mark.parametrize("cut", [0, 100, 0.5, 0.98])
def test_a_damaged_checkpoint_is_named(cut, rng, tmp_path):
    file, loader = tmp_path / "gan.npz", batches(rng)
    train(loader, checkpoint=file)
    content = file.read_bytes()
    size = cut if isinstance(cut, int) else int(cut * len(content))
    file.write_bytes(content[:size])
    with pytest.raises(ValueError, match="not a whole checkpoint of this training"):
        train(loader, checkpoint=file)


# The course's two ways to call it.


def run(*loader, **changed):
    D, G = networks()
    return gan_pytorch.run_a_gan(
        *(D, G, *solvers(D, G), tell, please, *loader), **({"noise_size": 6} | changed)
    )


@pytest.mark.q5
def test_with_a_loader_it_returns_pictures(rng, capsys):
    images = run(batches(rng), 2, 4, num_epochs=1)
    assert [x.shape for x in images] == [(16, 784)] * 3
    assert "Iter: 4, D: " in capsys.readouterr().out


@pytest.mark.q5
def test_without_a_loader_it_takes_the_digits_and_shows_pictures(rng, monkeypatch):
    from cs231n.embedded import digits
    from cs231n.support import figures

    x = pictures(rng, 9).numpy()
    few = digits.Digits(x, np.zeros(9, dtype=np.int64))
    shown = []
    monkeypatch.setattr(digits, "load_digits", lambda **_: (few, few))
    monkeypatch.setattr(figures, "show_digits", lambda t, _: shown.append(t))
    assert run(show_every=2, batch_size=3, num_epochs=1) is None
    assert shown == [0, 2]


def test_a_loader_forgotten_before_a_number_is_named():
    with pytest.raises(TypeError, match="loader_train came as int"):
        run(100)


def test_a_history_starts_empty():
    history = GANHistory()
    assert (history.d_losses, history.samples, history.epochs) == ([], [], 0)
    assert training.count_params(nn.Linear(3, 2)) == 8
