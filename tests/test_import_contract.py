"""Every path, name, argument order and default that notebooks and student files use."""

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]

# "x, w=1": names in order, with their defaults; keyword-only extras may follow.
SIGNATURES = {
    "cs231n.rnn_layers": [
        "rnn_step_forward(x, prev_h, Wx, Wh, b)",
        "rnn_step_backward(dnext_h, cache)",
        "rnn_forward(x, h0, Wx, Wh, b)",
        "rnn_backward(dh, cache)",
        "word_embedding_forward(x, W)",
        "word_embedding_backward(dout, cache)",
        "sigmoid(x)",
        "lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b)",
        "lstm_step_backward(dnext_h, dnext_c, cache)",
        "lstm_forward(x, h0, Wx, Wh, b)",
        "lstm_backward(dh, cache)",
        "temporal_affine_forward(x, w, b)",
        "temporal_affine_backward(dout, cache)",
        "temporal_softmax_loss(x, y, mask, verbose=False)",
    ],
    "cs231n.layers": [
        "affine_forward(x, w, b)",
        "affine_backward(dout, cache)",
        "relu_forward(x)",
        "relu_backward(dout, cache)",
        "batchnorm_forward(x, gamma, beta, bn_param)",
        "batchnorm_backward(dout, cache)",
        "spatial_batchnorm_forward(x, gamma, beta, bn_param)",
        "spatial_batchnorm_backward(dout, cache)",
        "svm_loss(x, y)",
        "softmax_loss(x, y)",
    ],
    "cs231n.layer_utils": [
        "affine_relu_forward(x, w, b)",
        "affine_relu_backward(dout, cache)",
        "affine_bn_relu_forward(x, w, b, gamma, beta, bn_param)",
        "affine_bn_relu_backward(dout, cache)",
        "conv_relu_forward(x, w, b, conv_param)",
        "conv_relu_backward(dout, cache)",
        "conv_bn_relu_forward(x, w, b, gamma, beta, conv_param, bn_param)",
        "conv_bn_relu_backward(dout, cache)",
        "conv_relu_pool_forward(x, w, b, conv_param, pool_param)",
        "conv_relu_pool_backward(dout, cache)",
    ],
    "cs231n.fast_layers": [
        "conv_forward_im2col(x, w, b, conv_param)",
        "conv_backward_im2col(dout, cache)",
        "conv_forward_strides(x, w, b, conv_param)",
        "conv_backward_strides(dout, cache)",
        "conv_forward_fast(x, w, b, conv_param)",
        "conv_backward_fast(dout, cache)",
        "max_pool_forward_fast(x, pool_param)",
        "max_pool_backward_fast(dout, cache)",
        "max_pool_forward_reshape(x, pool_param)",
        "max_pool_backward_reshape(dout, cache)",
        "max_pool_forward_im2col(x, pool_param)",
        "max_pool_backward_im2col(dout, cache)",
    ],
    "cs231n.im2col": [
        "get_im2col_indices(x_shape, field_height, field_width, padding=1, stride=1)",
        "im2col_indices(x, field_height, field_width, padding=1, stride=1)",
        "col2im_indices(cols, x_shape, field_height=3, field_width=3, padding=1, "
        "stride=1)",
    ],
    "cs231n.classifiers.pretrained_cnn": [
        "PretrainedCNN.__init__(self, dtype=<class 'numpy.float32'>, "
        "num_classes=100, input_size=64, h5_file=None)",
        "PretrainedCNN.load_weights(self, h5_file, verbose=False)",
        "PretrainedCNN.forward(self, X, start=None, end=None, mode='test')",
        "PretrainedCNN.backward(self, dout, cache)",
        "PretrainedCNN.loss(self, X, y=None)",
    ],
    "cs231n.optim": [
        "sgd(w, dw, config=None)",
        "adam(x, dx, config=None)",
        "sgd_momentum(w, dw, config=None)",
        "rmsprop(w, dw, config=None)",
    ],
    "cs231n.gradient_check": [
        "eval_numerical_gradient(f, x, verbose=True, h=1e-05)",
        "eval_numerical_gradient_array(f, x, df, h=1e-05)",
        "eval_numerical_gradient_blobs(f, inputs, output, h=1e-05)",
        "eval_numerical_gradient_net(net, inputs, output, h=1e-05)",
        "grad_check_sparse(f, x, analytic_grad, num_checks=10, h=1e-05)",
    ],
    "cs231n.classifiers.rnn": [
        "CaptioningRNN.__init__(self, word_to_idx, input_dim=512, wordvec_dim=128, "
        "hidden_dim=128, cell_type='rnn', dtype=<class 'numpy.float32'>)",
        "CaptioningRNN.loss(self, features, captions)",
        "CaptioningRNN.sample(self, features, max_length=30)",
    ],
    "cs231n.captioning_solver": [
        "CaptioningSolver.__init__(self, model, data, **kwargs)",
        "CaptioningSolver._reset(self)",
        "CaptioningSolver._step(self)",
        "CaptioningSolver.check_accuracy(self, X, y, num_samples=None, batch_size=100)",
        "CaptioningSolver.train(self)",
    ],
    "cs231n.data_utils": [
        "load_pickle(f)",
        "load_CIFAR_batch(filename)",
        "load_CIFAR10(ROOT)",
        "get_CIFAR10_data(num_training=49000, num_validation=1000, num_test=1000, "
        "subtract_mean=True)",
        "load_tiny_imagenet(path, dtype=<class 'numpy.float32'>, subtract_mean=True)",
        "load_models(models_dir)",
        "load_imagenet_val(num=None)",
    ],
    "cs231n.net_visualization_pytorch": [
        "compute_saliency_maps(X, y, model)",
        "make_fooling_image(X, target_y, model)",
        "class_visualization_update_step(img, model, target_y, l2_reg, learning_rate)",
        "preprocess(img, size=224)",
        "deprocess(img, should_rescale=True)",
        "rescale(x)",
        "blur_image(X, sigma=1)",
        "jitter(X, ox, oy)",
    ],
    "cs231n.style_transfer_pytorch": [
        "content_loss(content_weight, content_current, content_original)",
        "gram_matrix(features, normalize=True)",
        "style_loss(feats, style_layers, style_targets, style_weights)",
        "tv_loss(img, tv_weight)",
        "preprocess(img, size=512)",
        "deprocess(img)",
        "rescale(x)",
        "rel_error(x, y)",
        "extract_features(x, cnn)",
        "features_from_img(imgpath, imgsize, cnn=None)",
    ],
    "cs231n.gan_pytorch": [
        "sample_noise(batch_size, dim, seed=None)",
        "discriminator(seed=None)",
        "generator(noise_dim=96, seed=None)",
        "bce_loss(input, target)",
        "discriminator_loss(logits_real, logits_fake)",
        "generator_loss(logits_fake)",
        "get_optimizer(model)",
        "ls_discriminator_loss(scores_real, scores_fake)",
        "ls_generator_loss(scores_fake)",
        "build_dc_classifier(batch_size=None)",
        "build_dc_generator(noise_dim=96)",
        "run_a_gan(D, G, D_solver, G_solver, discriminator_loss, generator_loss, "
        "loader_train=None, show_every=250, batch_size=128, noise_size=96, "
        "num_epochs=10)",
        "ChunkSampler.__init__(self, num_samples, start=0)",
        "Flatten.forward(self, x)",
        "Unflatten.__init__(self, N=-1, C=128, H=7, W=7)",
        "Unflatten.forward(self, x)",
        "initialize_weights(m)",
        "preprocess_img(x)",
        "deprocess_img(x)",
        "rel_error(x, y)",
        "count_params(model)",
    ],
    "cs231n.classifiers.squeezenet": [
        "load_squeezenet(weights='auto', device=None, verbose=True)",
    ],
    "cs231n.image_gradients": [
        "compute_saliency_maps(X, y, model)",
        "make_fooling_image(X, target_y, model)",
    ],
    "cs231n.image_generation": [
        "create_class_visualization(target_y, model)",
        "invert_features(target_feats, layer, model)",
        "deepdream(X, layer, model)",
    ],
    "cs231n.coco_utils": [
        "load_coco_data(base_dir=BASE_DIR, max_train=None, pca_features=True)",
        "decode_captions(captions, idx_to_word)",
        "sample_coco_minibatch(data, batch_size=100, split='train')",
    ],
}
# Signatures that have a form for each of two editions, and plain values.
NAMES = {
    "cs231n.coco_utils": ["BASE_DIR"],
    "cs231n.image_utils": [
        "blur_image",
        "SQUEEZENET_MEAN",
        "SQUEEZENET_STD",
        "preprocess_image",
        "deprocess_image",
        "image_from_url",
        "load_image",
    ],
    "cs231n.style_transfer_pytorch": ["dtype"],
    "cs231n.gan_pytorch": ["NOISE_DIM", "dtype"],
}
MODULES = sorted(SIGNATURES.keys() | NAMES.keys())
# Modules that student files star-import, and thus what they find without asking.
STARRED = [
    "cs231n.layers",
    "cs231n.rnn_layers",
    "cs231n.layer_utils",
    "cs231n.fast_layers",
    "cs231n.im2col",
]


def described(module, function):
    """Return a signature's positional part as it is written above."""
    parts = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert parameter.default is not parameter.empty
            continue
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        text = stars + parameter.name
        if parameter.default is not parameter.empty:
            known = parameter.default is getattr(module, "BASE_DIR", parameter)
            text += "=BASE_DIR" if known else f"={parameter.default!r}"
        parts.append(text)
    return f"({', '.join(parts)})"


@pytest.mark.parametrize(
    ("module", "signature"),
    [(module, s) for module, wanted in SIGNATURES.items() for s in wanted],
)
def test_arguments_have_the_promised_names_order_and_defaults(module, signature):
    name = signature.partition("(")[0]
    module = importlib.import_module(module)
    function = module
    for part in name.split("."):
        function = getattr(function, part)
    assert name + described(module, function) == signature


@pytest.mark.parametrize(
    ("module", "name"), [(module, n) for module, names in NAMES.items() for n in names]
)
def test_names_are_there(module, name):
    assert hasattr(importlib.import_module(module), name)


def test_the_package_files_are_where_they_were():
    for path in ("__init__", "classifiers/__init__", "captioning_solver"):
        assert (ROOT / "cs231n" / f"{path}.py").is_file()
    for empty in ("__init__.py", "classifiers/__init__.py"):
        assert (ROOT / "cs231n" / empty).read_text("utf-8") == ""


@pytest.mark.parametrize("module", STARRED)
def test_star_import_brings_every_public_name_and_numpy(module):
    names = {}
    exec(f"from {module} import *", names)
    wanted = {s.partition("(")[0] for s in SIGNATURES[module]} | {"np"}
    assert wanted <= names.keys()
    assert names["np"] is np
    assert not hasattr(importlib.import_module(module), "__all__")


@pytest.mark.parametrize("module", MODULES)
def test_absolute_and_relative_imports_find_the_same_module(module):
    package, _, name = module.rpartition(".")
    one = importlib.import_module(module)
    assert importlib.import_module(f".{name}", package) is one
    names = {"__package__": package}
    exec(f"from . import {name}", names)
    assert names[name] is one


def in_a_new_process(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_modules_can_be_reloaded_in_any_order_and_print_nothing():
    # In a process of its own, since reloading would give other tests two of each class.
    done = in_a_new_process(
        "import importlib\n"
        f"modules = [importlib.import_module(name) for name in {MODULES}]\n"
        "for module in modules + modules[::-1]:\n"
        "    importlib.reload(module)\n"
        "from cs231n.classifiers.rnn import *\n"
        "from cs231n.captioning_solver import *\n"
        "model = CaptioningRNN({'<NULL>': 0}, 2, 3, 4)\n"
        "assert model.params['W_proj'].shape == (2, 4)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_wait_until_they_are_used(module):
    heavy = ["torch", "torchvision", "scipy", "matplotlib", "h5py", "imageio", "PIL"]
    heavy += ["tqdm", "IPython", "pooch"]
    # Modules that are written in torch need it, and what it needs itself.
    first = "torch" if module.endswith("_pytorch") else "numpy"
    done = in_a_new_process(
        f"import sys, {first}\n"
        "before = set(sys.modules)\n"
        f"import {module}\n"
        f"print([name for name in {heavy} if name in sys.modules.keys() - before])"
    )
    assert done.stderr == ""
    assert done.stdout == "[]\n"
