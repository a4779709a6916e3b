"""FaceSpace: pictures in, pictures out."""

import numpy as np
import pytest
from PIL import Image

import facespace
from facespace.data.faces import FaceSet
from facespace.errors import UsageError


@pytest.fixture(scope="module")
def space(trained):
    return facespace.load(trained)


@pytest.fixture(scope="module")
def faces(drawn):
    return FaceSet(drawn).images[:6]


def test_facts(space):
    assert space.image_shape == (3, 16, 16) and space.latent_dim == 5
    assert space.card["recipe"]["name"] == "demo" and not space.model.training


def test_encode_and_decode_types(space, faces):
    z = space.encode(faces)
    assert z.dtype == np.float32 and z.shape == (6, 5)
    images = space.decode(z)
    assert images.dtype == np.uint8 and images.shape == (6, 16, 16, 3)
    np.testing.assert_array_equal(space.reconstruct(faces), images)
    np.testing.assert_array_equal(space.decode(z[0])[0], images[0])


def test_pictures_of_any_kind_give_the_same_latent(space, faces):
    pictures = [Image.fromarray(face) for face in faces]
    z = space.encode(faces)
    np.testing.assert_allclose(space.encode(pictures), z, atol=1e-5)
    np.testing.assert_allclose(space.encode(pictures[0]), z[:1], atol=1e-5)
    np.testing.assert_allclose(space.encode(faces[0]), z[:1], atol=1e-5)
    np.testing.assert_allclose(space.encode(pictures[0].convert("RGBA")), z[:1], atol=1e-5)


def test_a_gray_picture_enters_a_colour_space(space, faces):
    gray = faces[:, :, :, :1]
    np.testing.assert_allclose(space.encode(gray), space.encode(np.repeat(gray, 3, axis=3)), atol=1e-5)
    np.testing.assert_allclose(space.encode(Image.fromarray(gray[0, ..., 0])), space.encode(gray[:1]), atol=1e-5)


def test_a_large_picture_is_fitted(space, faces):
    large = Image.fromarray(faces[0]).resize((64, 64), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(space.encode(large), space.encode(faces[:1]), atol=0.6)


def test_samples_are_seeded_and_prefixes_of_each_other(space):
    np.testing.assert_array_equal(space.sample(70, seed=3)[:5], space.sample(5, seed=3))
    assert not np.array_equal(space.sample(5, seed=3), space.sample(5, seed=4))
    cold = space.sample(4, seed=3, temperature=0.0)
    np.testing.assert_array_equal(cold, np.repeat(cold[:1], 4, axis=0))


def test_sampling_is_the_model_in_eval_mode(space):
    """Batch norm in train mode would make a sample depend on its neighbours."""
    many = space.decode(space.sample_latents(64, seed=1))
    alone = np.concatenate([space.decode(z) for z in space.sample_latents(8, seed=1)])
    assert np.abs(many[:8].astype(int) - alone).max() <= 1


def test_morph_starts_and_ends_at_the_reconstructions(space, faces):
    film = space.morph(faces[0], Image.fromarray(faces[1]), faces[2], frames=21)
    assert film.shape == (21, 16, 16, 3)
    ends = space.reconstruct(faces[:3])
    for frame, end in zip((0, 10, 20), ends):
        assert np.abs(film[frame].astype(int) - end).max() <= 1
    ring = space.morph(faces[:3], frames=21, loop=True)
    assert np.abs(ring[0].astype(int) - ends[0]).max() <= 1
    assert np.abs(ring[14].astype(int) - ends[2]).max() <= 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s: s.encode(np.zeros((2, 16, 16, 3), np.float32)), "uint8"),
        (lambda s: s.encode(np.zeros((2, 3, 16, 16), np.uint8)), "with C 1 or 3"),
        (lambda s: s.decode(np.zeros((2, 7))), "encoded by another space"),
        (lambda s: s.decode(np.full((1, 5), np.nan)), "not finite"),
        (lambda s: s.sample(0), "at least 1"),
        (lambda s: s.sample(2, temperature=-1), "temperature"),
        (lambda s: s.morph(np.zeros((16, 16, 3), np.uint8)), "at least two faces"),
    ],
)
def test_wrong_requests_are_refused_with_a_sentence(space, call, says):
    with pytest.raises(UsageError, match=says):
        call(space)


def test_no_pictures_give_no_latents(space):
    assert space.encode([]).shape == (0, 5) and space.decode(np.zeros((0, 5))).shape == (0, 16, 16, 3)
