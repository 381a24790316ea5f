"""Potential files: every number survives, every fault is named with its file and line."""

from __future__ import annotations

import locale
import os
import re
import resource

import numpy as np
import pytest

from mtpot import FormatError, InputError, _core

# Level 6, written by hand after the format's description: the scalars of at most two factors.
LEVEL_6 = """\
alpha_moments_count = 8
alpha_index_basic_count = 5
alpha_index_basic = {{0, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}, {1, 0, 0, 0}}
alpha_index_times_count = 5
alpha_index_times = {{0, 0, 1, 5}, {1, 1, 1, 6}, {2, 2, 1, 6}, {3, 3, 1, 6}, {0, 5, 1, 7}}
alpha_scalar_moments = 5
alpha_moment_mapping = {0, 4, 5, 6, 7}
"""
RADIAL_FUNCTIONS = 2
SCALARS = 5
RADIAL_SIZE = 3
PARAMETERS = {1: 12, 2: 31}  # by the number of species

# Numbers that printing and reading get wrong first.
AWKWARD = (
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    -0.0,
    0.1,
    1 / 3,
    -9007199254740993.0,
    4.35,
    1e23,
    np.nextafter(1.0, 2.0),
)


def braces(numbers) -> str:
    return "{" + ", ".join(repr(float(number)) for number in numbers) + "}"


def file_text(parameters, labels=("0",), tag="", lists=LEVEL_6) -> str:
    """A trained potential as this test writes it; the parameters are radial | species | linear."""
    count = len(labels)
    radial, rest = np.split(np.asarray(parameters, dtype=float), [-(count + SCALARS)])
    blocks = radial.reshape(count**2, RADIAL_FUNCTIONS, RADIAL_SIZE)
    pairs = [f"{center}-{neighbor}" for center in labels for neighbor in labels]
    lines = [
        "MTP",
        "version = 1.1.0",
        "potential_name = by_hand",
        "scaling = 0.5",
        f"species_count = {count}",
        f"potential_tag = {tag}",
        "radial_basis_type = RBChebyshev",
        "\tmin_dist = 1.75",
        "\tmax_dist = 5.0",
        f"\tradial_basis_size = {RADIAL_SIZE}",
        f"\tradial_funcs_count = {RADIAL_FUNCTIONS}",
        "\tradial_coeffs",
    ]
    for pair, block in zip(pairs, blocks, strict=True):
        lines += [f"\t\t{pair}", *(f"\t\t\t{braces(row)}" for row in block)]
    tail = f"species_coeffs = {braces(rest[:count])}\nmoment_coeffs = {braces(rest[count:])}\n"
    return "\n".join(lines) + "\n" + lists + tail


def numbers(count: int = 1, seed: int = 0):
    return np.random.default_rng(seed).normal(size=PARAMETERS[count])


@pytest.fixture
def read(tmp_path):
    """Read a content as a file; the path stays in `read.path`."""
    path = tmp_path / "a potential.mtp"

    def read(content):
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(data)
        return _core.read_potential(str(path))

    read.path = path
    return read


def assert_refused(read, content, line=None, message=""):
    """The content raises a FormatError that begins with "path:line: "."""
    with pytest.raises(FormatError) as caught:
        read(content)
    place = f"{re.escape(str(read.path))}:{line or '[0-9]+'}: "
    assert re.match(place + ".*" + re.escape(message), str(caught.value)), str(caught.value)


def same_bits(first, second) -> bool:
    return np.array_equal(np.asarray(first).view(np.int64), np.asarray(second).view(np.int64))


def selection_for(potential, configurations=2):
    """An active set of random rows, the first ones from configurations without atoms' data."""
    size = len(potential.parameters)
    active = _core.ActiveSet(size)
    active.select(np.random.default_rng(1).normal(size=(size - 1, size)), 1.001)
    origins = np.full((size, 2), -1)
    origins[:configurations] = [(k, 14 + k) for k in range(configurations)]
    block = "BEGIN_CFG\n Size\n    1\n AtomData:  id type\n    1 0\nEND_CFG\n\n"
    return _core.Selection(active, (0, 0, 0, 1), 2, origins, block * configurations)


# What a file says


def test_every_entry_of_a_file_is_read(read):
    parameters = numbers(2)
    potential, selection = read(file_text(parameters, labels=("0", "1")))
    assert selection is None
    assert same_bits(potential.parameters, parameters)
    assert (potential.name, potential.scaling, potential.trained) == ("by_hand", 0.5, True)
    assert (potential.min_distance, potential.cutoff) == (1.75, 5.0)
    assert (potential.radial_basis, potential.radial_size) == ("RBChebyshev", RADIAL_SIZE)
    assert (potential.species_count, potential.species) == (2, [])
    assert (potential.level, potential.moment_count, potential.radial_function_count) == (6, 8, 2)
    assert potential.basics.tolist()[1] == [0, 1, 0, 0]
    assert potential.products.tolist()[-1] == [0, 5, 1, 7]
    assert potential.scalars.tolist() == [0, 4, 5, 6, 7]


def test_untrained_file_has_zero_parameters(read):
    text = file_text(numbers())
    head = text[: text.index("\tradial_coeffs")]
    potential, _ = read(head + LEVEL_6)
    assert not potential.trained
    assert same_bits(potential.parameters, np.zeros(PARAMETERS[1]))
    assert _core.format_potential(potential).decode().endswith(LEVEL_6)


@pytest.mark.parametrize("labels", [("13", "28"), ("28", "13")], ids=["13-28", "28-13"])
def test_pairs_may_be_named_by_atomic_numbers(read, labels):
    potential, _ = read(file_text(numbers(2), labels=labels))
    assert same_bits(potential.parameters, numbers(2))


def test_older_names_of_keys_mean_the_same(read):
    text = file_text(numbers())
    for key, older in (
        ("min_dist", "min_val"),
        ("max_dist", "max_val"),
        ("radial_basis_size", "basis_size"),
    ):
        text = text.replace(key, older)
    potential, _ = read(text)
    assert (potential.min_distance, potential.cutoff, potential.radial_size) == (1.75, 5.0, 3)


def test_scaling_of_the_radial_basis_multiplies_that_of_the_file(read):
    potential, _ = read(file_text(numbers()).replace("\tmin_dist", "\tscaling = 0.25\n\tmin_dist"))
    assert potential.scaling == 0.125


def test_name_scaling_and_tag_may_be_missing(read):
    lines = file_text(numbers()).splitlines(keepends=True)
    kept = [line for line in lines if not re.match("potential_name|scaling|potential_tag", line)]
    potential, _ = read("".join(kept))
    assert (potential.scaling, potential.species) == (1.0, [])


@pytest.mark.parametrize(
    ("tag", "species"),
    [
        ("species Al Ni", ["Al", "Ni"]),
        ("species Ni Al; fitted by hand", ["Ni", "Al"]),
        ("", []),
        ("some other text", []),
    ],
    ids=["named", "named-with-text", "empty", "text"],
)
def test_tag_names_the_species_and_is_kept(read, tag, species):
    potential, _ = read(file_text(numbers(2), labels=("0", "1"), tag=tag))
    assert potential.species == species
    assert f"\npotential_tag = {tag}\n".encode() in _core.format_potential(potential)


def test_lines_may_end_as_on_windows(read):
    text = file_text(numbers(), tag="species Si")
    unix, _ = read(text)
    windows, _ = read(text.replace("\n", "\r\n"))
    assert _core.format_potential(windows) == _core.format_potential(unix)


def comma_locale() -> str | None:
    """A locale of this machine that writes 1,5."""
    previous = locale.setlocale(locale.LC_ALL)
    try:
        for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8", "de_DE.utf8", "fr_FR.utf8"):
            try:
                locale.setlocale(locale.LC_ALL, name)
            except locale.Error:
                continue
            if locale.localeconv()["decimal_point"] == ",":
                return name
        return None
    finally:
        locale.setlocale(locale.LC_ALL, previous)


def test_locale_does_not_matter(read):
    name = comma_locale()
    if name is None:
        pytest.skip("no locale with a decimal comma on this machine")
    text = file_text(numbers())
    expected = _core.format_potential(read(text)[0])
    previous = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, name)
    try:
        assert _core.format_potential(read(text)[0]) == expected
    finally:
        locale.setlocale(locale.LC_ALL, previous)


# Round trips


@pytest.mark.parametrize("seed", range(3))
def test_every_number_survives_bit_for_bit(read, seed):
    rng = np.random.default_rng(seed)
    potential, _ = read(file_text(numbers()))
    values = rng.normal(size=PARAMETERS[1]) * 10.0 ** rng.integers(-300, 300, PARAMETERS[1])
    values[: len(AWKWARD)] = AWKWARD
    content = _core.format_potential(potential.with_parameters(values))
    again, _ = read(content)
    assert same_bits(again.parameters, values)
    assert _core.format_potential(again) == content


def test_active_set_survives_bit_for_bit(read):
    potential, _ = read(file_text(numbers()))
    selection = selection_for(potential)
    content = _core.format_potential(potential, selection)
    again, restored = read(content)
    assert same_bits(restored.active_set.matrix, selection.active_set.matrix)
    assert same_bits(
        restored.active_set.inverse_transposed, selection.active_set.inverse_transposed
    )
    assert restored.origins.tolist() == selection.origins.tolist()
    assert restored.configurations == selection.configurations
    assert (restored.weights, restored.weight_scaling) == ((0, 0, 0, 1), 2)
    assert _core.format_potential(again, restored) == content


def test_layout_of_the_active_set_is_that_of_mlip(read):
    """The bytes where MLIP-3's own files have them."""
    potential, _ = read(file_text(numbers()))
    selection = selection_for(potential)
    content = _core.format_potential(potential, selection)
    head = _core.format_potential(potential)
    assert content.startswith(head + b"#MVS_v1.1\nenergy_weight 0.0000000000000000e+00\n")
    start = content.index(b"weight_scaling 2\n#") + len(b"weight_scaling 2\n#")
    matrices = np.frombuffer(content, offset=start, count=2 * PARAMETERS[1] ** 2)
    matrix, inverse = matrices.reshape(2, PARAMETERS[1], PARAMETERS[1])
    assert np.array_equal(matrix, selection.active_set.matrix)
    np.testing.assert_allclose(matrix @ inverse.T, np.eye(PARAMETERS[1]), atol=1e-8)
    tail = content[start + matrices.nbytes :].decode()
    origins = "".join(f"{a} {b}\n" for a, b in selection.origins)
    assert tail == f"\n#\n{origins}#\n{selection.configurations}"


def test_written_potential_is_what_mlip_reads(read):
    """MLIP compares keys as text, takes '#' for the active set and a name without spaces."""
    potential, _ = read(file_text(numbers(2), labels=("0", "1"), tag="species Al Ni"))
    text = _core.format_potential(potential).decode()
    assert text.startswith(
        "MTP\nversion = 1.1.0\npotential_name = by_hand\nscaling = 5.000000000000000e-01\n"
        "species_count = 2\npotential_tag = species Al Ni\nradial_basis_type = RBChebyshev\n"
        "\tmin_dist = 1.750000000000000e+00\n\tmax_dist = 5.000000000000000e+00\n"
        "\tradial_basis_size = 3\n\tradial_funcs_count = 2\n\tradial_coeffs\n\t\t0-0\n\t\t\t{"
    )
    assert LEVEL_6 in text
    assert re.findall(r"\t\t(\d-\d)\n", text) == ["0-0", "0-1", "1-0", "1-1"]
    assert "#" not in text


def test_files_of_mlip_are_reproduced_byte_for_byte(mlip3):
    paths = [*mlip3.glob("*.mtp"), *mlip3.glob("*.almtp")]
    assert paths
    for path in paths:
        assert _core.format_potential(*_core.read_potential(str(path))) == path.read_bytes()


# Faults


def assert_cuts_are_refused(path, content, shortest=0):
    """At any length from the shortest on; only the white space at the end may be missing."""
    path.write_bytes(content)
    for length in range(len(content.rstrip()) - 1, shortest - 1, -1):
        os.truncate(path, length)
        with pytest.raises(FormatError, match=f"^{re.escape(str(path))}:[0-9]+: "):
            _core.read_potential(str(path))


@pytest.mark.parametrize("trained", [True, False], ids=["trained", "untrained"])
def test_potential_cut_at_any_byte_is_refused(read, trained):
    text = file_text(numbers(), tag="species Si")
    content = (text if trained else text[: text.index("\tradial_coeffs")] + LEVEL_6).encode()
    read(content)
    assert_cuts_are_refused(read.path, content)


def test_active_set_cut_at_any_byte_is_refused(read):
    potential, _ = read(file_text(numbers()))
    head = _core.format_potential(potential)
    content = _core.format_potential(potential, selection_for(potential))
    assert_cuts_are_refused(read.path, content, len(head) + 1)  # the head is a complete .mtp


BASICS = "{{0, 0, 0, 0}, {0, 1, 0, 0}"
HOSTILE = [
    ("MTP\n", "MTq\n", 1, "expected 'MTP', found 'MTq'"),
    ("1.1.0", "1.1.0+mtpot", 2, "is the file cut short"),
    ("1.1.0", "1.1.0+mtpot2", 2, "use a newer release"),
    ("1.1.0", "2.0", 2, "version '2.0' is not 1.1.0"),
    ("version = ", "version: ", 2, "expected '='"),
    ("by_hand", "by # hand", 3, "potential_name"),
    ("scaling = 0.5", "scaling = nan", 4, "finite number"),
    ("scaling = 0.5", "scaling = 0,5", 4, "expected 'species_count'"),
    ("species_count = 1", "species_count = 257", 5, "species_count"),
    ("species_count = 1", "species_count = 0", 5, "species_count"),
    ("species_count = 1", "species_count = 99999999999999999999", 5, "species_count"),
    ("species_count = 1", "species_count = 256", 6, "names 1 species, species_count is 256"),
    ("species_count = 1", "species = 1", 5, "expected 'species_count', found 'species'"),
    ("species Si", "species Si Ge", 6, "names 2 species, species_count is 1"),
    ("species Si", "species silicon", None, "not an element symbol"),
    ("RBChebyshev", "RBBessel", 7, "unknown radial basis 'RBBessel'"),
    ("RBChebyshev\n", "RBChebyshev\n\tmagnetic = 1\n", 8, "expected 'min_dist'"),
    ("min_dist = 1.75", "min_dist = 5.0", 7, "minimum distance"),
    ("min_dist = 1.75", "min_dist = -1", 7, "minimum distance"),
    ("min_dist = 1.75", "min_dist = 4.9995", 7, "minimum distance"),
    ("max_dist = 5.0", "max_dist = 1e200", 7, "at most 1000 angstrom"),
    ("max_dist = 5.0", "max_dist = inf", 9, "finite number"),
    ("max_dist = 5.0", "max_dist = 1e999", 9, "finite number"),
    ("radial_basis_size = 3", "radial_basis_size = 1000000000", 10, "radial_basis_size"),
    ("radial_basis_size = 3", "radial_basis_size = 0", 10, "radial_basis_size"),
    ("radial_basis_size = 3", "radial_basis_size = 4", 14, "expected ','"),
    ("radial_funcs_count = 2", "radial_funcs_count = 2000000000", 11, "radial_funcs_count"),
    ("radial_funcs_count = 2", "radial_funcs_count = 1", 15, "expected 'alpha_moments_count'"),
    ("\t\t0-0", "\t\t0-1", 13, "pair"),
    ("\t\t0-0", "\t\t1-0", 13, "pair"),
    ("\t\t0-0", "\t\tSi-Si", 13, "pair"),
    ("\t\t0-0", "\t\t-", 13, "pair"),
    ("\t\t0-0\n", "", 13, "pair"),
    ("count = 8\n", "count = 2147483647\n", 16, "more than the rest of the file can hold"),
    ("count = 8\n", "count = -8\n", 16, "alpha_moments_count"),
    ("basic_count = 5", "basic_count = 2147483647", 17, "alpha_index_basic_count"),
    ("basic_count = 5", "basic_count = 4", 18, "expected '}'"),
    (BASICS, "{{0, 0, 0, -1}, {0, 1, 0, 0}", 18, "exponent"),
    (BASICS, "{{0, 0, 0, 1000000}, {0, 1, 0, 0}", 18, "exponent"),
    (BASICS, "{{-1, 0, 0, 0}, {0, 1, 0, 0}", 18, "mu"),
    (BASICS, "{{0, 0, 0}, {0, 1, 0, 0}", 18, "expected ','"),
    (BASICS, "{{2, 0, 0, 0}, {0, 1, 0, 0}", 11, "radial_funcs_count"),
    ("times_count = 5", "times_count = 2147483647", 19, "more than the rest of the file"),
    ("times_count = 5", "times_count = 6", 20, "expected ','"),
    ("{{0, 0, 1, 5}", "{{0, 8, 1, 5}", 20, "alpha_index_times"),
    ("{{0, 0, 1, 5}", "{{-1, 0, 1, 5}", 20, "alpha_index_times"),
    ("{{0, 0, 1, 5}", "{{0, 0, 99999999999, 5}", 20, "multiplier"),
    ("{{0, 0, 1, 5}", "{{0, 0, 1, 8}", 20, "alpha_index_times"),
    ("{{0, 0, 1, 5}", "{{0, 0, 1, 3}", 19, ""),  # adds to a basic moment
    ("{{0, 0, 1, 5}", "{{0, 7, 1, 5}", 19, ""),  # reads a moment that is not complete
    ("moments_count = 8", "moments_count = 9", 19, "moment 8 is neither basic nor a sum"),
    ("{0, 5, 1, 7}", "{0, 5, 1, 6}", 19, "moment 7 is neither basic nor a sum"),
    ("scalar_moments = 5", "scalar_moments = 2147483647", 21, "alpha_scalar_moments"),
    ("mapping = {0, 4,", "mapping = {0, 8,", 22, "alpha_moment_mapping"),
    ("mapping = {0, 4,", "mapping = {0, 0,", None, ""),  # twice the same scalar
    ("moment_coeffs = {", "moment_coeffs = {nan, ", 24, "finite number"),
    ("moment_coeffs = {", "moment_coeffs = {1.0, ", 24, "expected '}'"),
    ("moment_coeffs = {", "moment_coeffs = {0x1p3", 24, "finite number"),
]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    HOSTILE,
    ids=[re.sub(r"\W+", "-", new.strip())[:40] or "nothing" for _, new, _, _ in HOSTILE],
)
def test_fault_is_refused_with_its_line(read, old, new, line, message):
    text = file_text(numbers(), tag="species Si")
    assert text.count(old) >= 1
    assert_refused(read, text.replace(old, new, 1), line, message)


@pytest.mark.parametrize("extra", ["#mtpot committee 4", "more = 1", "# a remark", "{1.0}", "\0"])
def test_unknown_content_after_the_last_line_is_refused(read, extra):
    assert_refused(read, file_text(numbers()) + extra, 25)


def test_untrained_potential_has_no_species_energies(read):
    text = file_text(numbers())
    without_radial = text[: text.index("\tradial_coeffs")] + LEVEL_6 + "species_coeffs = {1.0}\n"
    assert_refused(read, without_radial, message="untrained")


def test_hostile_counts_allocate_nothing(read):
    text = file_text(numbers())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for key in re.findall(r"(\w+(?:count|size|moments)) = ", text):
        for count in ("2147483647", "250", "9223372036854775807"):
            with pytest.raises(FormatError):
                read(re.sub(rf"\b{key} = \d+", f"{key} = {count}", text))
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert kibibytes < 64 * 1024


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"#MVS_v1.1", b"#MVS_v9.9", "unexpected '#MVS_v9.9'"),
        (b"force_weight 0.0", b"force_weight -1.0", "negative"),
        (b"site_en_weight 1.0", b"site_en_weight 0.0", "are zero"),
        (b"weight_scaling 2", b"weight_scaling 7", "weight_scaling"),
        (b"\n#\n0 14\n", b"\n#\n2 14\n", "configuration 2"),
        (b"\n#\n0 14\n", b"\n#\n0 -1\n", "equation -1"),
        (b"\n#\n0 14\n", b"\n#\nx y\n", "configuration's index"),
        (b"END_CFG\n\nBEGIN", b"BEGIN", "configuration"),
        (b"#\nBEGIN_CFG", b"#\nnoise\nBEGIN_CFG", "outside BEGIN_CFG"),
    ],
    ids=["version", "negative", "no-rows", "scaling", "frame", "row", "text", "no-end", "outside"],
)
def test_fault_of_the_active_set_is_refused(read, old, new, message):
    potential, _ = read(file_text(numbers()))
    content = _core.format_potential(potential, selection_for(potential))
    assert content.count(old) == 1
    assert_refused(read, content.replace(old, new), message=message)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_active_set_that_is_not_finite_is_refused(read, value):
    potential, _ = read(file_text(numbers()))
    content = _core.format_potential(potential, selection_for(potential))
    start = content.index(b"weight_scaling 2\n#") + len(b"weight_scaling 2\n#")
    assert_refused(read, content[:start] + np.float64(value).tobytes() + content[start + 8 :])


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_raise_nothing_but_format_errors(read, seed):
    rng = np.random.default_rng(seed)
    potential, _ = read(file_text(numbers()))
    content = _core.format_potential(potential, selection_for(potential))
    for _ in range(200):
        data = np.frombuffer(content, np.uint8).copy()
        places = rng.integers(0, len(data), rng.integers(1, 6))
        data[places] = rng.integers(0, 256, len(places))
        try:
            found, selection = read(data.tobytes())
        except FormatError as error:
            assert str(error).startswith(f"{read.path}:")  # noqa: PT017 - both outcomes are right
        else:
            assert np.isfinite(found.parameters).all()
            assert selection is not None


def test_file_that_cannot_be_read_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "missing.mtp"):
        with pytest.raises(InputError, match=re.escape(str(path))):
            _core.read_potential(str(path))


def test_empty_file_is_refused(read):
    assert_refused(read, "", 1, "end of the file")


# What is not written


def test_active_set_of_another_potential_is_not_written(read):
    one, _ = read(file_text(numbers()))
    two, _ = read(file_text(numbers(2), labels=("0", "1")))
    with pytest.raises(InputError, match="does not fit"):
        _core.format_potential(two, selection_for(one))


def test_origins_without_their_configurations_are_not_written(read):
    potential, _ = read(file_text(numbers()))
    kept = selection_for(potential)
    bare = _core.Selection(kept.active_set, (0, 0, 0, 1), 2, kept.origins, "")
    with pytest.raises(InputError, match="configuration 0"):
        _core.format_potential(potential, bare)


@pytest.mark.parametrize("species", [["Si", "Ge"], ["silicon"], ["Si;"]], ids=str)
def test_species_that_do_not_fit_are_refused(read, species):
    potential, _ = read(file_text(numbers()))
    with pytest.raises(InputError):
        potential.with_species(species)


@pytest.mark.parametrize("size", [PARAMETERS[1] - 1, PARAMETERS[1] + 1])
def test_parameters_of_another_number_are_refused(read, size):
    potential, _ = read(file_text(numbers()))
    with pytest.raises(InputError, match=f"expected {PARAMETERS[1]} parameters, got {size}"):
        potential.with_parameters(np.zeros(size))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_parameters_that_are_not_finite_are_refused(read, value):
    potential, _ = read(file_text(numbers()))
    with pytest.raises(InputError, match="finite"):
        potential.with_parameters(np.full(PARAMETERS[1], value))
