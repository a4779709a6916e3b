"""Folders and tables as people have them: splits and labels from folders, names that differ, dialects and encodings of
tables, the words of their cells, copies of pictures."""

import csv
import io
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from fuzz import examples
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facespace import prepare
from facespace.core.errors import FaceSetError
from facespace.data.other_files import is_other_file
from facespace.data.sources import tables
from facespace.data.sources.attribute_table import read_table
from facespace.data.sources.matching import match
from facespace.data.sources.reading import rows
from facespace.data.sources.subfolders import understand
from facespace.data.sources.values import parse, parse_column
from facespace.data.splits import Groups, assign_splits, copies_of, split_codes, unite_copies

# --- folders


def photo(path: Path, level: int, size: tuple[int, int] = (16, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level % 256, 100, 40)).save(path)
    return path


def meaning(*paths: str):
    folders = [tuple(path.split("/")[:-1]) for path in paths]
    return understand(folders, [True] * len(folders))


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Train", "VALID", "Test"),
        ("training", "validation", "eval"),
        ("train", "dev", "testing"),
    ],
)
@pytest.mark.parametrize("above", ["", "data/", "img/all/"])
def test_split_folders_are_splits_and_labels_lie_below(names, above):
    paths = [f"{above}{name}/{label}/1.jpg" for name in names for label in ("smile", "serious")]
    found = meaning(*paths)
    assert found.splits == ["train", "train", "validation", "validation", "test", "test"]
    assert found.names == ("serious", "smile") and found.labels == ["smile", "serious"] * 3


def test_splits_below_labels_and_splits_without_labels():
    found = meaning("smile/train/1.jpg", "smile/test/2.jpg", "serious/train/3.jpg", "serious/test/4.jpg")
    assert found.splits == ["train", "test", "train", "test"] and found.names == ("serious", "smile")
    found = meaning("train/1.jpg", "test/2.jpg")
    assert found.splits == ["train", "test"] and found.names == ()


def test_one_name_of_a_split_alone_is_none():
    assert meaning("train/a/1.jpg", "train/b/2.jpg").splits == [None, None]
    people = [f"{name}/1.jpg" for name in ("Dev", "Val", "Test", *(f"p{n}" for n in range(50)))]
    assert set(meaning(*people).splits) == {None} and meaning(*people).identities


@pytest.mark.parametrize(
    "names",
    [[f"{n * 1000:05d}" for n in range(70)], ["part1", "part2"], ["images_001", "images_002"], ["0", "1"]],
)
def test_numbered_folders_are_neither_people_nor_labels(names):
    found = meaning(*[f"{name}/{place}.png" for place, name in enumerate(names)])
    assert (
        not found.names and not found.identities and any("numbered folders" in note for note in found.notes)
    )


def test_people_by_number_stay_people_and_labels_above_numbers_stay_labels():
    assert meaning(*[f"s{n}/1.pgm" for n in range(1, 46)]).identities
    assert meaning("smile/001/1.png", "serious/002/2.png").names == ("serious", "smile")


def test_one_single_subfolder_is_no_label(tmp_path):
    for place in range(4):
        photo(tmp_path / "p" / "holiday" / f"{place}.png", 20 * place)
    photo(tmp_path / "p" / "loose.png", 200)
    assert prepare("folder", tmp_path / "p", to=tmp_path / "set", workers=1).attribute_names == ()
    assert meaning("holiday/1.png", "holiday/2.png").names == ()


JUNK = (
    *(
        ".ipynb_checkpoints/a-checkpoint.png",
        "__MACOSX/._a.png",
        "@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg",
        ".thumbnails/a.png",
    ),
    *(
        "._a.png",
        "Thumbs.db",
        ".DS_Store",
        "train/.AppleDouble/a.png",
        "THUMBS.DB",
        "desktop.ini",
        "a/__macosx/a.png",
    ),
    *(
        "$RECYCLE.BIN/a.png",
        "#recycle/a.png",
        "System Volume Information/a.png",
        "lost+found/a.png",
        "Icon\r",
    ),
)


@pytest.mark.parametrize("name", JUNK)
def test_what_systems_leave_behind_is_no_data(name):
    assert is_other_file(name)


def test_left_behind_files_are_no_data_in_any_source(tmp_path):
    """Of CelebA, LFW, yearbook and label maps, at every level: nothing is listed, skipped or matched."""
    for number in range(1, 4):
        photo(tmp_path / "celeba" / "img_align_celeba" / f"{number:06d}.jpg", 40 * number, (178, 218))
    photo(tmp_path / "lfw" / "lfw" / "A_B" / "A_B_0001.jpg", 7, (250, 250))
    for sex in "FM":
        photo(tmp_path / "yearbook" / sex / f"1950_{sex}.png", ord(sex), (186, 171))
    photo(tmp_path / "maps" / "images" / "1.png", 90)
    labels = tmp_path / "maps" / "masks" / "1.png"
    labels.parent.mkdir()
    Image.fromarray(np.uint8(np.arange(256).reshape(16, 16) % 2)).save(labels)
    sources = {"celeba": "celeba", "lfw": "lfw", "yearbook": "yearbook", "maps": "celebamask-hq"}
    before = {}
    for name, source in sources.items():
        before[name] = prepare(source, tmp_path / name, to=tmp_path / "sets" / name, workers=1)
    for name in sources:
        for folder in [path for path in (tmp_path / name).rglob("*") if path.is_dir()]:
            for junk in (
                "._x.jpg",
                "Thumbs.db",
                "@eaDir/x.jpg",
                "__MACOSX/x.jpg",
                ".ipynb_checkpoints/x.jpg",
            ):
                (folder / junk).parent.mkdir(exist_ok=True)
                photo(folder / "t.jpg", 3).rename(folder / junk)
    for name, source in sources.items():
        after = prepare(source, tmp_path / name, to=tmp_path / "sets2" / name, workers=1)
        assert (
            after.card["fingerprint"] == before[name].card["fingerprint"]
            and not after.card["skipped"]["total"]
        )


# --- names in tables


@pytest.mark.parametrize(
    ("disk", "row"),
    [
        ("IMG_1.JPG", "IMG_1.jpg"),
        ("img_1.jpg", "IMG_1.JPG"),
        ("a/1.png", "a\\1.png"),
        ("1.png", "./1.png"),
        ("1.png", "photos/1.png"),
        ("photos/1.png", "1.png"),
        ("x/photos/1.png", "photos/1.png"),
        ("photos/1.png", "/home/me/photos/1.png"),
        ("photos/1.png", "C:\\me\\photos\\1.png"),
        (unicodedata.normalize("NFD", "José.png"), unicodedata.normalize("NFC", "José.png")),
        ("Zoë.png", unicodedata.normalize("NFD", "Zoë.png")),
        ("José.png", "José.png".encode().decode("cp1252")),
        ("José.png", "José.png".encode().decode("cp437")),
        ("José.png", "Jos?.png"),
        ("Jos\udce9.png", "José.png"),
        ("1.png", " 1.png "),
        ("1 .png", "1.png"),
        ("1.png", "1"),
        ("000012.jpg", "12"),
        ("1.webp", "1.jpg"),
    ],
)
def test_names_that_differ_are_matched(disk, row):
    assert match(["other.png", "b/x2.png", disk], ["nobody.png", row]).rows == [None, None, 1]


def test_ambiguous_names_are_not_matched():
    assert match(["a/1.png", "b/1.png"], ["1.png"]) == ([None, None], 1)
    assert match(["A.png", "a.PNG"], ["a.png"]) == ([None, None], 1)
    assert match(["1.png", "1.jpg"], ["1"]) == ([None, None], 1)
    assert match(["a/1.png", "b/1.png"], ["a/1.png", "b/1.png", "1.png"]).rows == [0, 1]
    assert match(["1.png"], ["1.png", "1.png"]).rows == [None]


def test_where_no_row_matches_one_of_each_is_shown(cli, tmp_path):
    photo(tmp_path / "p" / "a.png", 1)
    (tmp_path / "t.csv").write_text("file,hat\nnobody.png,1\n")
    code, _, err = cli(
        "prepare", "folder", tmp_path / "p", "--table", tmp_path / "t.csv", "--to", tmp_path / "set"
    )
    assert code == 1 and "none of its 1 rows" in err and "'nobody.png'" in err and "'a.png'" in err
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    "form", ["{:06d}.JPG", "img_align_celeba/{:06d}.jpg", ".\\{:06d}.jpg", "{:06d}", " {:06d}.jpg"]
)
def test_celebas_tables_are_matched_by_the_same_rule(tmp_path, form):
    for number in (1, 2, 3):
        photo(tmp_path / "img_align_celeba" / f"{number:06d}.jpg", 50 * number, (178, 218))
    listed = [form.format(number) for number in (1, 2, 3)]
    attributes = "".join(f"{name},1\n" for name in listed)
    (tmp_path / "list_attr_celeba.csv").write_text(f"image_id,Smiling\n{attributes}")
    partition = "".join(f"{name},{place}\n" for place, name in enumerate(listed))
    (tmp_path / "list_eval_partition.csv").write_text(f"image_id,partition\n{partition}")
    faces = prepare("celeba", tmp_path, to=tmp_path / "set", workers=1)
    assert faces.splits.tolist() == ["train", "validation", "test"] and (faces.attributes == 1).all()
    (tmp_path / "list_attr_celeba.csv").write_text("image_id,Smiling\nx9.jpg,1\n")
    with pytest.raises(FaceSetError, match="none of its 1 rows names one of the 3 image files"):
        prepare("celeba", tmp_path, to=tmp_path / "set2", workers=1)


# --- dialects

CELLS = [["file", "smile", "age"], ["a.png", "1", "0.5"], ["b c.png", "0", "31"], ["ü.png", "", "-2.25"]]


def written(separator: str, line_end: str = "\n", blank: str = "", quote: int = csv.QUOTE_MINIMAL) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator=line_end, quoting=quote).writerows(CELLS)
    return file.getvalue().replace(separator, separator + blank)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_and_encodings_are_found(tmp_path, separator, encoding):
    for name in ("t.csv", "t.txt"):
        for options in ({}, {"line_end": "\r\n"}, {"blank": " "}, {"quote": csv.QUOTE_ALL}):
            (tmp_path / name).write_bytes(written(separator, **options).encode(encoding))
            assert list(rows(tmp_path / name)) == CELLS, options


def test_tables_with_blanks_old_line_ends_excels_first_line_and_spare_lines(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("2\nSmiling   Male\n000001.jpg -1  1\n000002.jpg  1 -1\n")
    assert list(rows(path)) == [
        ["2"],
        ["Smiling", "Male"],
        ["000001.jpg", "-1", "1"],
        ["000002.jpg", "1", "-1"],
    ]
    path.write_bytes(b"sep=;\r\nfile;hat\r\na,b.png;1\r\n\r\n;\r\n")
    assert list(rows(path)) == [["file", "hat"], ["a,b.png", "1"]]
    path.write_bytes(b"file,hat\ra.png,1\rb.png,0\r")
    assert list(rows(path)) == [["file", "hat"], ["a.png", "1"], ["b.png", "0"]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title>",
            "web page.*Quota exceeded",
        ),
        (b"\xef\xbb\xbf \n<html><body>404</body></html>", "a web page"),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html>', "a web page"),
        (b"PK\x03\x04rest of an xlsx", "an Excel or OpenDocument file"),
        (b"\xd0\xcf\x11\xe0rest", "an Excel file"),
        (b"\x1f\x8b\x08rest", "compressed"),
        (b"%PDF-1.7", "a PDF"),
        (b'{"a.png": {"smile": 1}}', "JSON"),
        (b"abcdef\x00ghi\x01\x02jklm", "binary data"),
    ],
)
def test_what_is_no_table_is_refused_by_its_name(tmp_path, content, says):
    photo(tmp_path / "img_align_celeba" / "000001.jpg", 5, (178, 218))
    photo(tmp_path / "A_B" / "A_B_0001.jpg", 5, (250, 250))
    names = {"folder": "labels.csv", "celeba": "list_attr_celeba.txt", "lfw": "lfw_attributes.txt"}
    for source, name in names.items():
        (tmp_path / name).write_bytes(content)
        options = {"table": tmp_path / name} if source == "folder" else {}
        with pytest.raises(FaceSetError, match=f"(?s){name}.*{says}"):
            prepare(source, tmp_path, to=tmp_path / "set", workers=1, **options)
        assert not (tmp_path / "set").exists()


# --- cells


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, 1) for word in ("1", "yes", "Y", "TRUE", "True", " t ", "m", "Male", "+1", "1.0", "1,0")),
        *((word, -1) for word in ("-1", "no", "N", "FALSE", "f", "F", "Female", "−1", "–1", "-1,0")),
        *((word, 0.5) for word in ("0.5", "0,5", ".5", ",5", "5e-1", "+0,50")),
        *(
            (word, np.nan)
            for word in ("", "NA", "N/A", "nan", "NaN", "null", "None", "unknown", "?", "-", "#N/A")
        ),
        *((word, None) for word in ("blue", "1.234,5", "12 px", "1e999", "inf", "0x10")),
    ],
)
def test_the_words_of_cells(text, value):
    found = parse(text)
    if value is None:
        assert found is None
    else:
        np.testing.assert_equal(found, float(value))


@pytest.mark.parametrize(
    ("name", "cells", "values"),
    [
        ("hat", ["0", "1", "", "1"], [-1, 1, np.nan, 1]),
        ("hat", ["-1", "0", "1", "NA"], [-1, 0, 1, np.nan]),
        ("hat", ["True", "False", "", "true"], [1, -1, np.nan, 1]),
        ("hat", ["Y", "N", "n/a", "y"], [1, -1, np.nan, 1]),
        ("sex", ["M", "F", "F", ""], [1, -1, -1, np.nan]),
        ("female", ["F", "M", "F", ""], [1, -1, 1, np.nan]),
        ("age", ["31", "0,5", "", "7"], [31, 0.5, np.nan, 7]),
        ("hair", ["blond", "brown", "", "no"], None),
    ],
)
def test_columns(name, cells, values):
    found = parse_column(name, cells).values
    if values is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, values)


def test_text_columns_are_left_out_with_a_note_and_slips_are_errors(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",file_name,hair,hat\n0,a.png,blond,yes\n1,b.png,brown,no\n2,c.png,,\n")
    found = read_table(path, ["a.png", "b.png", "c.png", "d.png"])
    assert found.columns == ("hat",)
    np.testing.assert_array_equal(found.values[:, 0], [1, -1, np.nan, np.nan])
    assert "columns of text left out: hair (such as 'blond')" in found.notes
    path.write_text("file,hat\na.png,yes\nb.png,maybe\nc.png,no\n")
    with pytest.raises(FaceSetError, match=r"hat of b\.png is 'maybe'"):
        read_table(path, ["a.png", "b.png", "c.png"])
    path.write_text("file,hat\na.png,yes,x\n")
    with pytest.raises(FaceSetError, match="has 3 cells, and the header 2"):
        read_table(path, ["a.png"])


def test_celebas_table_takes_the_same_words(tmp_path):
    path = tmp_path / "list_attr_celeba.csv"
    path.write_bytes("image_id;Smiling;Male\r\n000001.jpg;True;−1\r\n000002.jpg;NA;0,5;\r\n".encode("utf-16"))
    names, found = tables.celeba_attributes(path)
    assert names == ("Smiling", "Male")
    np.testing.assert_array_equal(np.stack(list(found.values())), np.float32([[1, -1], [np.nan, 0.5]]))


# --- copies


def test_copies_take_the_split_of_the_original(tmp_path):
    for number in range(1, 4):
        photo(tmp_path / "img_align_celeba" / f"{number:06d}.jpg", 35 * number, (178, 218))
        photo(tmp_path / "img_align_celeba" / f"{number:06d} (1).jpg", 35 * number, (178, 218))
    lines = [f"{number:06d}.jpg {number - 1}\n" for number in range(1, 4)]
    (tmp_path / "list_eval_partition.txt").write_text("".join(lines))
    faces = prepare("celeba", tmp_path, to=tmp_path / "set", workers=1)
    split = dict(zip(faces.ids, faces.splits))
    for number, expected in enumerate(("train", "validation", "test"), start=1):
        assert split[f"{number:06d}.jpg"] == split[f"{number:06d} (1).jpg"] == expected


def test_copies_in_split_folders_stand_on_one_side(tmp_path):
    for number in range(4):
        photo(tmp_path / "p" / "train" / f"{number}.png", 30 * number)
        photo(tmp_path / "p" / "test" / f"{number + 3}.png", 30 * (number + 3))
    faces = prepare("folder", tmp_path / "p", to=tmp_path / "set", workers=1)
    assert dict(zip(faces.ids, faces.splits))["train/3.png"] == "test"
    assert any(
        "1 copies of pictures of another split were moved there" in note for note in faces.card["notes"]
    )


def digests_of(pictures) -> np.ndarray:
    """A made-up SHA-256 for each picture by its name."""
    return np.array([[ord(name)] * 32 for name in pictures], np.uint8).reshape(-1, 32)


def grouped(people, pictures) -> tuple[np.ndarray, Groups]:
    digests = digests_of(pictures)
    copies = copies_of(digests)
    return copies, Groups(people, copies, digests)


def test_groups_join_people_who_share_a_picture():
    copies, groups = grouped(["a", "b", None, "c", None], ["1", "1", "1", "2", "3"])
    keys = [groups.key(group) for group in groups.of.tolist()]
    assert keys == ["person a", "person a", "person a", "person c", f"pixels {'33' * 32}"]
    united, _ = unite_copies(split_codes(["train", "test", "test", "validation", "train"]), copies)
    assert united.tolist() == [2, 2, 2, 1, 0]


FACES = st.tuples(
    st.sampled_from([None, "a", "b", "c"]), st.sampled_from("12345"), st.sampled_from([None, "train", "test"])
)


@examples(50)
@given(st.lists(FACES, min_size=1, max_size=12))
def test_no_picture_is_ever_on_two_sides(faces):
    people, pictures, own = zip(*faces)
    copies, groups = grouped(people, pictures)
    splits, _ = assign_splits(split_codes(own), copies, groups)
    sides: dict[str, set] = {}
    for picture, split in zip(pictures, splits.tolist()):
        sides.setdefault(picture, set()).add(split)
    assert all(len(side) == 1 for side in sides.values()) and splits.min() >= 0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_note_on_a_moved_group_names_the_splits_that_have_faces(count):
    for seed in range(4):
        copies, groups = grouped([None] * count, [f"{3 * seed + number:x}" for number in range(count)])
        splits, note = assign_splits(split_codes([None] * count), copies, groups)
        both = {0, 1} <= set(splits.tolist())
        assert note is None or ("training and validation both have faces" in note) is both


@examples(50)
@given(st.lists(FACES, min_size=1, max_size=12))
def test_groups_are_the_connected_components(faces):
    """Held against a plain search: faces that share a person or a picture, through however many others."""
    people, pictures, _ = zip(*faces)
    _, groups = grouped(people, pictures)
    for first in range(len(faces)):
        reached, border = {first}, [first]
        while border:
            at = border.pop()
            for other in range(len(faces)):
                shared = pictures[other] == pictures[at] or (people[at] and people[other] == people[at])
                if shared and other not in reached:
                    reached.add(other)
                    border.append(other)
        assert set(np.flatnonzero(groups.of == groups.of[first]).tolist()) == reached
        named = sorted(people[place] for place in reached if people[place])
        key = f"person {named[0]}" if named else f"pixels {digests_of(pictures)[first].tobytes().hex()}"
        assert groups.key(int(groups.of[first])) == key


# --- everything at once

NAMES = (
    st.text(st.sampled_from("abcXYZéüñ漢 0123456789_-"), min_size=1, max_size=8).map(str.strip).filter(bool)
)
FORMS = {
    "as it is": str,
    "upper ending": lambda name: name[:-4] + name[-4:].upper(),
    "backslashes": lambda name: f".\\{name}",
    "dot": lambda name: f"./{name}",
    "folder": lambda name: f"photos/{name}",
    "decomposed": lambda name: unicodedata.normalize("NFD", name),
    "blanks": lambda name: f" {name} ",
    "no ending": lambda name: name[:-4],
}
MEANT = {"yes": 1, "no": -1, "1,5": 1.5, "-2.25": -2.25, "NA": np.nan, "": np.nan}


@examples(60)
@given(
    names=st.lists(NAMES, min_size=2, max_size=6, unique_by=str.casefold),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    form=st.sampled_from(sorted(FORMS)),
    cells=st.lists(st.sampled_from(sorted(MEANT)), min_size=6, max_size=6),
)
def test_any_dialect_any_encoding_any_form_of_names(
    tmp_path, names, separator, encoding, line_end, quoting, form, cells
):
    """The values of the right file, or a sentence, or unknown where that is said; never another file's values."""
    files = [f"{name}.png" for name in names]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting)
    writer.writerow(["file", "score"])
    for name, cell in zip(files, cells):
        writer.writerow([FORMS[form](name), cell])
    path = tmp_path / "t.csv"
    path.write_bytes(text.getvalue().encode(encoding, "replace"))
    try:
        found = read_table(path, files)
    except FaceSetError as error:
        assert str(path) in str(error)
        return
    values = found.values[:, 0] if found.columns else np.full(len(files), np.nan)
    said = any("fit several" in note for note in found.notes) or found.unmatched
    for value, cell in zip(values, cells):
        if np.isnan(value):
            assert np.isnan(MEANT[cell]) or said
        else:
            assert value == MEANT[cell]
    if encoding != "cp1252" and form == "as it is":
        np.testing.assert_array_equal(values, [MEANT[cell] for cell in cells[: len(files)]])
