"""Several networks of the model ``features``, and image sizes of presets."""

import pytest

from pixmill.core.errors import ParamsError
from pixmill.core.params import parse_params

LITES = "name: [efficientnet_lite2, efficientnet_lite0]"


def parsed(train: str):
    return parse_params(
        f"{{classes: [cat, dog], scrape: {{snapshot: '2026-11-20'}}, train: {train}}}"
    ).train


@pytest.mark.parametrize(
    ("size", "sizes"),
    [("null", [None, None]), ("224", [224, 224]), ("[260, 224]", [260, 224])],
    ids=str,
)
def test_each_network_has_its_size(size, sizes) -> None:
    backbone = parsed(f"{{backbone: {{{LITES}, image_size: {size}}}}}").backbone
    assert [each.name for each in backbone.networks] == ["efficientnet_lite2", "efficientnet_lite0"]
    assert [each.image_size for each in backbone.networks] == sizes


def test_one_network_is_itself() -> None:
    backbone = parsed("{backbone: {name: resnet50}}").backbone
    assert backbone.networks == (backbone,)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (f"{{backbone: {{{LITES}, image_size: [260, 224, 96]}}}}", "one size per network"),
        ("{backbone: {image_size: [260, 224]}}", "one size per network"),
        ("{backbone: {name: [resnet50, resnet50]}}", "different networks"),
        ("{backbone: {name: [resnet50]}}", "at least 2"),
        ("{backbone: {name: [resnet50, 'hub:dinov2_small']}}", "train.backbone.name"),
        (f"{{backbone: {{{LITES}, weights: own.h5}}}}", "imagenet or none for several networks"),
        (f"{{model: backbone, backbone: {{{LITES}}}}}", "one network for the model backbone"),
        (
            f"{{features: {{layers: [top]}}, backbone: {{{LITES}}}}}",
            "auto or top for several networks",
        ),
    ],
)
def test_rejects_what_several_networks_cannot_do(train, message) -> None:
    with pytest.raises(ParamsError, match=message):
        parsed(train)


@pytest.mark.parametrize(
    ("preset", "size", "fitting"),
    [("dinov2_small", 260, 252), ("dinov3_vit_small_lvd1689m", 252, 256)],
)
def test_image_sizes_are_multiples_of_a_preset_s_patches(
    preset: str, size: int, fitting: int
) -> None:
    def params(size: object, split: int, model: str = "features") -> str:
        train = f"{{model: {model}, backbone: {{name: 'hub:{preset}', image_size: {size}}}}}"
        return (
            f"{{classes: [a, b], scrape: {{snapshot: '2026-11-20'}}, split: {{image_size: "
            f"{split}}}, train: {train}}}"
        )

    for key, wrong in (("train.backbone", params(size, fitting)), ("split", params("null", size))):
        with pytest.raises(
            ParamsError, match=f"^{key}.image_size: .* takes multiples of .* received {size}"
        ):
            parse_params(wrong)
    for right in (params(fitting, size), params("null", fitting), params("null", size, "cnn")):
        parse_params(right)
