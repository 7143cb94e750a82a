"""rushlight.text: tokens as BERT, GPT-2 and torchtext make them, vocabularies, padding, batches of like length."""

import json
import pickle
import random
import re
import subprocess
import sys
import unicodedata

import pytest
from rushlight.text import functional, transforms
from rushlight.text.data import BucketBatchSampler, get_tokenizer, to_map_style_dataset
from rushlight.text.utils import train_byte_pairs
from rushlight.text.vocab import Vocab, build_vocab_from_iterator, vocab

import rushlight as rl
from rushlight import _data, text

TEXTS = [
    "The quick brown fox doesn't jump over 13 lazy dogs; they're sleeping!  \n\n Are they?",
    "Ünïcödé, naïve café — “quotes” … ½ ² ٣ ⅷ İstanbul ΣΑΣ ﬁne 안녕 세계 你好，世界 é e\u0301 \u200b\ufeff x\x00y \t\x0b\x85z\u2028w",
    " leading and trailing  ",
    "",
    "🙂👍🏽 family 👨‍👩‍👧 i'll've 'S 'sx can''t",
]


def random_texts(count, seed=0):
    draw = random.Random(seed)
    parts = ["abc DE'.,!?\t\n  st re ll 012", *map(chr, range(0xA0, 0x600))]
    for _ in range(count):
        yield "".join(draw.choice(draw.choice(parts)) for _ in range(30)) + chr(
            draw.choice([0xAC01, 0x4E00, 0x3000, 0x1F600])
        )


# ---- BERT ----


def bert_words(line, lower=True):
    """As the paper's program has it, by Python's own tables."""

    def category(c):
        return unicodedata.category(c)

    cleaned = []
    for c in line:
        if c in "\t\n\r" or category(c) == "Zs":
            cleaned.append(" ")
        elif c not in "\0\ufffd" and not category(c).startswith("C"):
            cleaned.append(f" {c} " if 0x4E00 <= ord(c) <= 0x9FFF else c)
    words = []
    for word in "".join(cleaned).split():
        if lower:
            word = "".join(c if c == "Σ" else c.lower() for c in word).replace("Σ", "σ")
            word = "".join(c for c in unicodedata.normalize("NFD", word) if category(c) != "Mn")
        marked = "".join(
            f" {c} " if (c.isascii() and not c.isalnum()) or category(c).startswith("P") else c for c in word
        )
        words += marked.split()
    return words


@pytest.mark.parametrize("lower", [True, False])
def test_words_are_berts(lower):
    for line in [*TEXTS, *random_texts(300)]:
        assert _data.bert_words(line, lower, None, True, []) == bert_words(line, lower), repr(line)


VOCAB = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "want",
    "##want",
    "##ed",
    "wa",
    "un",
    "runn",
    "##ing",
    ",",
    "low",
    "##est",
    "安",
    "e",
    "##é",
]


def test_word_pieces_are_the_longest_there_are(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(VOCAB) + "\n", "utf-8")
    tokenizer = transforms.BERTTokenizer(path, return_tokens=True)
    assert tokenizer("UNwantéd running, lowest unknown 安 [CLS]") == [
        "un", "##want", "##ed", "runn", "##ing", ",", "low", "##est", "[UNK]", "安", "[CLS]",
    ]  # fmt: skip
    assert tokenizer(["wanted", ""]) == [["want", "##ed"], []]
    assert tokenizer.encode("x" * 101 + " low") == [1, 11]
    numbers = transforms.BERTTokenizer(path)
    assert numbers("lowest") == ["11", "12"] and numbers(["low"]) == [["11"]]
    assert len(numbers.vocab) == len(VOCAB) and numbers.vocab["wa"] == 6
    cased = transforms.BERTTokenizer(path, do_lower_case=False, return_tokens=True)
    assert cased("eé E") == ["e", "##é", "[UNK]"]
    path.unlink()
    assert pickle.loads(pickle.dumps(tokenizer))("lowest") == ["low", "##est"]


def test_word_pieces_are_those_of_the_package_tokenizers():
    package = pytest.importorskip("tokenizers")
    tokens = [*VOCAB, "[SEP]"]
    theirs = package.BertWordPieceTokenizer({token: i for i, token in enumerate(tokens)})
    ours = transforms.BERTTokenizer(tokens)
    for line in ["wanted running, unwanted", "Want! WANTED lowest安low", "été low-est"]:
        assert ours.encode(line) == theirs.encode(line, add_special_tokens=False).ids


# ---- GPT-2 ----


def test_words_are_gpt2s():
    for line, words in [
        ("Hello  world's 12ab!?\n x", ["Hello", " ", " world", "'s", " 12", "ab", "!?", "\n", " x"]),
        ("they'll've I'm 'S", ["they", "'ll", "'ve", " I", "'m", " '", "S"]),
        ("a\t\t b  ", ["a", "\t\t", " b", "  "]),
        ("  ", ["  "]),
        ("½², é\u0301x\u3000\u3000y", ["½²", ",", " é", "\u0301", "x", "\u3000", "\u3000", "y"]),
        ("", []),
    ]:
        assert _data.gpt2_words(line) == words


def test_words_are_those_of_the_package_tokenizers():
    package = pytest.importorskip("tokenizers")
    split = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
    for line in [*TEXTS, *random_texts(300, 1)]:
        assert _data.gpt2_words(line) == [line[a:b] for _, (a, b) in split.pre_tokenize_str(line)], repr(line)


def python_byte_pairs(word, merges):
    """Joins as the paper has it: the first pair of the list, wherever it stands, until there is none."""
    rank = {pair: i for i, pair in enumerate(merges)}
    parts = list(word)
    while True:
        pairs = [(rank.get(pair, len(rank)), i) for i, pair in enumerate(zip(parts, parts[1:], strict=False))]
        if not pairs or min(pairs)[0] == len(rank):
            return parts
        best = merges[min(pairs)[0]]
        joined, i = [], 0
        while i < len(parts):
            if tuple(parts[i : i + 2]) == best:
                joined.append(parts[i] + parts[i + 1])
                i += 2
            else:
                joined.append(parts[i])
                i += 1
        parts = joined


def test_byte_pairs_are_learned_and_joined_in_order(tmp_path):
    lines = ["low lower lowest newer wider low low"] * 5 + TEXTS * 3
    files = train_byte_pairs(lines, tmp_path, vocab_size=320, min_frequency=2, special_tokens=["<|endoftext|>"])
    tokens = json.loads(files[0].read_text("utf-8"))
    merges = [tuple(line.split(" ")) for line in files[1].read_text("utf-8").splitlines()[1:]]
    assert len(tokens) == 320 and tokens["<|endoftext|>"] == 0 and tokens["!"] == 1
    assert merges[0] == ("o", "w") and len(merges) == 320 - 257
    tokenizer = transforms.GPT2BPETokenizer(*files)
    shown = transforms.GPT2BPETokenizer(*files, return_tokens=True)
    for line in [*TEXTS, "lowest lower newest"]:
        ids = tokenizer.encode(line)
        assert tokenizer(line) == [str(i) for i in ids]
        assert tokenizer.decode(ids) == tokenizer.decode(tokenizer(line)) == line
        assert [tokens[token] for token in shown(line)] == ids
    for word in ("lowest", "lower", "newernewer", "oooool"):
        assert shown(word) == python_byte_pairs(word, merges)
    assert tokenizer.encode(TEXTS * 20) == [tokenizer.encode(t) for t in TEXTS] * 20
    assert pickle.loads(pickle.dumps(tokenizer)).encode("lower") == tokenizer.encode("lower")


def test_special_tokens_stand_as_they_are(tmp_path):
    files = train_byte_pairs(TEXTS, tmp_path, vocab_size=300, special_tokens=["<|end|>", "<|end|>>", "<s>"])
    plain = transforms.GPT2BPETokenizer(*files)
    special = transforms.GPT2BPETokenizer(*files, special_tokens=["<|end|>", "<|end|>>", "<s>"])
    assert special.encode("<s>dogs<|end|>> <|end|><|end") == [
        2, *plain.encode("dogs"), 1, *plain.encode(" "), 0, *plain.encode("<|end"),
    ]  # fmt: skip
    assert special.decode(special.encode("<s>a <|end|>")) == "<s>a <|end|>" and 2 not in plain.encode("<s>")
    with pytest.raises(ValueError, match="'<x>' is not in the vocabulary"):
        transforms.GPT2BPETokenizer(*files, special_tokens=["<x>"])


def test_byte_pairs_are_those_of_the_package_tokenizers():
    package = pytest.importorskip("tokenizers")
    lines = [*TEXTS, *random_texts(100, 2)]
    theirs = package.Tokenizer(package.models.BPE())
    theirs.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = package.pre_tokenizers.ByteLevel.alphabet()
    theirs.train_from_iterator(
        lines,
        package.trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, min_frequency=2, show_progress=False),
    )
    tokens, merges = _data.learn_byte_pairs(lines, 400, 2, [])
    numbers = theirs.get_vocab()
    assert tokens == sorted(numbers, key=numbers.get)
    ours = transforms.GPT2BPETokenizer(
        json.dumps({t: i for i, t in enumerate(tokens)}).encode(), "\n".join(map(" ".join, merges)).encode()
    )
    for line in [*lines, *random_texts(100, 3)]:
        assert ours.encode(line) == theirs.encode(line).ids


def test_a_word_of_a_million_bytes_takes_no_square_of_it():
    tokens, merges = _data.learn_byte_pairs(["aaaa" * 10], 260, 1, [])
    tokenizer = transforms.GPT2BPETokenizer(
        json.dumps({t: i for i, t in enumerate(tokens)}).encode(), "\n".join(map(" ".join, merges)).encode()
    )
    ids = tokenizer.encode("a" * 1_000_000)
    assert tokenizer.decode(ids) == "a" * 1_000_000 and len(ids) < 300_000
    pieces = transforms.BERTTokenizer(["[UNK]", "a", "##a"])
    assert pieces.encode("a" * 1_000_000 + " aa") == [0, 1, 2]


# ---- damaged files ----


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.txt", b"[UNK]\nok\n\xff\xfe\n", r"v\.txt', line 3: byte 0 is no UTF-8"),
        ("v.txt", b"[UNK]\na\nb\na\n", r"line 4: the token 'a' stands in line 2 already"),
        ("v.txt", b"", "the file is empty"),
        ("v.json", b'{"a": 0,\n "b": 1', r"v\.json', line 2: .*cut short"),
        ("v.json", b'{"a": 0,\n "b"\n 1}', "line 3: expected ':'"),
        ("v.json", b'{"a": 0, "b": 0}', "the number 0 has two tokens, 'a' and 'b'"),
        ("v.json", b'{"a": -1}', "expected a whole number"),
        ("v.json", b'{"a": 999999999999}', "the number 999999999999 is too large"),
        ("v.json", b'{"a": 4000000}', "1 tokens have numbers up to 4000000"),
        ("v.json", b'{"\\ud800": 1}', "half a surrogate pair"),
        ("v.json", b'{"\xff": 1}', "no UTF-8"),
        ("v.json", b"[1, 2]", "line 1: expected '{'"),
        ("v.json", b'{"a": 0} x', "expected the end of the file"),
        ("v.json", b'{"a": 0, "a": 1}', "the token 'a' is there twice"),
    ],
)
def test_damaged_vocabularies_name_the_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match=message):
        Vocab.from_file(path)
    with pytest.raises((RuntimeError, ValueError)):
        transforms.BERTTokenizer(path) if name == "v.txt" else transforms.GPT2BPETokenizer(path, b"")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#version: 0.2\na b\na c\n", r"m\.txt', line 3: the token 'c' is not in the vocabulary of 3"),
        (b"a b\nab b\n", "line 2: the token 'abb' is not in"),
        (b"a b\nab\n", "line 2: expected two tokens"),
        (b"a b c\n", "line 1: expected two tokens"),
        (b"\xff\xff \xfe\n", "line 1: the token"),
    ],
)
def test_damaged_merges_name_the_line(tmp_path, content, message):
    path = tmp_path / "m.txt"
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match=message):
        transforms.GPT2BPETokenizer(b'{"a": 0, "b": 1, "ab": 2}', path)


def test_files_cut_anywhere_are_errors_or_fewer_tokens(tmp_path):
    files = train_byte_pairs(TEXTS * 2, tmp_path, vocab_size=300)
    vocabulary, merges = (f.read_bytes() for f in files)
    for cut in range(0, len(vocabulary) - 1, 37):
        with pytest.raises(RuntimeError, match="line 1"):
            transforms.GPT2BPETokenizer(vocabulary[:cut], merges)
    for cut in range(0, len(merges), 17):
        try:
            transforms.GPT2BPETokenizer(vocabulary, merges[:cut]).encode(TEXTS[0])
        except RuntimeError as error:
            assert re.search("line [0-9]+", str(error))


def test_files_with_a_byte_changed_are_errors_or_tokens(tmp_path):
    files = train_byte_pairs(TEXTS * 2, tmp_path, vocab_size=300)
    contents = [f.read_bytes() for f in files]
    draw = random.Random(5)
    outcomes = set()
    for _ in range(400):
        changed = [bytearray(c) for c in contents]
        which = draw.choice(changed)
        which[draw.randrange(len(which))] = draw.randrange(256)
        try:
            transforms.GPT2BPETokenizer(*changed).encode(TEXTS[1])
            outcomes.add("read")
        except (RuntimeError, ValueError) as error:
            assert "BytePairs" in str(error)
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_bytes_without_a_token_are_an_error_or_the_unknown_token():
    with pytest.raises(ValueError, match="no token for byte 99"):
        transforms.GPT2BPETokenizer(b'{"a": 0, "b": 1}', b"").encode("abc")
    assert transforms.GPT2BPETokenizer(b'{"a": 0, "?": 1}', b"", unk_token="?").encode("abc") == [0, 1, 1]
    with pytest.raises(ValueError, match="'<unk>'"):
        transforms.GPT2BPETokenizer(b'{"a": 0}', b"", unk_token="<unk>")
    with pytest.raises(ValueError, match=r"\[UNK\]"):
        transforms.BERTTokenizer(["a"])
    with pytest.raises(UnicodeEncodeError):
        transforms.BERTTokenizer(VOCAB).encode("\ud800")
    with pytest.raises(TypeError, match="expected a str"):
        transforms.BERTTokenizer(VOCAB)(3)


# ---- torchtext's vocabularies, tokens and transforms ----


def basic_english(line):
    """torchtext's replacements."""
    line = "".join(c if c == "Σ" else c.lower() for c in line).replace("Σ", "σ")
    for pattern, new in [
        ("'", " '  "), ('"', ""), (r"\.", " . "), (r"<br \/>", " "), (",", " , "), (r"\(", " ( "), (r"\)", " ) "),
        (r"\!", " ! "), (r"\?", " ? "), (r"\;", " "), (r"\:", " "), (r"\s+", " "),
    ]:  # fmt: skip
        line = re.sub(pattern, new, line)
    return line.split()


def test_basic_english_is_torchtexts():
    tokenize = get_tokenizer("basic_english")
    for line in [*TEXTS, 'A <BR /> B<br />c "x" (y); z: 1.5', *random_texts(200, 4)]:
        assert tokenize(line) == basic_english(line), repr(line)
    assert get_tokenizer(None)("a  B") == ["a", "B"] and get_tokenizer(len) is len
    with pytest.raises(ValueError, match="valid choices"):
        get_tokenizer("nothing")


def test_vocabularies():
    built = build_vocab_from_iterator([["b", "a", "b"], ["c", "a", "b"]], specials=["<unk>", "<pad>"], min_freq=2)
    assert built.get_itos() == ["<unk>", "<pad>", "b", "a"]
    with pytest.raises(RuntimeError, match="default index is not set"):
        built["zzz"]
    built.set_default_index(0)
    assert built(["a", "zzz", "b"]) == [3, 0, 2] and built.get_default_index() == 0
    built.insert_token("new", 1)
    built.append_token("end")
    assert built.get_itos() == ["<unk>", "new", "<pad>", "b", "a", "end"] and built["a"] == 4
    assert built.lookup_tokens([1, 5]) == ["new", "end"] and built.get_stoi()["end"] == 5
    for wrong in (lambda: built.insert_token("a", 0), lambda: built.append_token("b"), lambda: built.lookup_token(6)):
        with pytest.raises(RuntimeError):
            wrong()
    with pytest.raises(RuntimeError, match="Duplicate token"):
        Vocab(["a", "a"])
    assert vocab({"a": 1, "b": 2}, specials=["x"], special_first=False).get_itos() == ["a", "b", "x"]
    assert build_vocab_from_iterator([["c", "b", "b"]], specials=["<s>"], max_tokens=2).get_itos() == ["<s>", "b"]
    again = pickle.loads(pickle.dumps(built))
    assert again.get_itos() == built.get_itos() and again["zzz"] == 0


def test_transforms_make_padded_tensors():
    words = Vocab(["<pad>", "<s>", "</s>", "a", "b"])
    steps = transforms.Sequential(
        transforms.VocabTransform(words), transforms.Truncate(2), transforms.AddToken(1), transforms.AddToken(2, begin=False),
        transforms.ToTensor(padding_value=0), transforms.PadTransform(6, 0),
    )  # fmt: skip
    assert steps([["a", "b", "a"], ["b"]]).tolist() == [[1, 3, 4, 2, 0, 0], [1, 4, 2, 0, 0, 0]]
    with pytest.raises(ValueError, match="one length"):
        functional.to_tensor([[1], [1, 2]])
    assert functional.str_to_int(["1", "2"]) == [1, 2] and functional.truncate([1, 2, 3], 2) == [1, 2]
    labels = transforms.LabelToIndex(["b", "a"], sort_names=True)
    assert labels("b") == 1 and labels(["a", "b"]) == [0, 1] and labels.label_names == ["a", "b"]
    assert to_map_style_dataset(iter("ab"))[1] == "b"


# ---- batches of like length ----


def test_batches_of_like_length():
    draw = random.Random(1)
    lengths = [draw.randrange(1, 100) for _ in range(230)]

    def make(**options):
        generator = rl.Generator().manual_seed(3)
        return BucketBatchSampler(lengths, 8, bucket_batches=10, generator=generator, **options)

    batches = list(make())
    assert sorted(i for b in batches for i in b) == list(range(230)) and len(batches) == len(make())
    padded = sum(max(lengths[i] for i in b) * len(b) for b in batches)
    assert padded < 1.2 * sum(lengths)
    twice = make()
    assert list(twice) == batches and list(twice) != batches
    assert all(len(b) == 8 for b in make(drop_last=True)) and len(list(make(drop_last=True))) == len(
        make(drop_last=True)
    )
    limited = list(make(max_tokens=300))
    assert all(len(b) == 1 or max(lengths[i] for i in b) * len(b) <= 300 for b in limited)
    assert sorted(i for b in limited for i in b) == list(range(230))
    with pytest.raises(ValueError, match="batch_size"):
        BucketBatchSampler(lengths, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_like_length_go_on_in_a_loader(workers):
    def make():
        sampler = BucketBatchSampler([3, 1, 2, 5, 4, 6, 7, 9, 8, 2, 4, 3], 2, bucket_batches=3)
        return rl.utils.data.DataLoader(list(range(12)), batch_sampler=sampler, num_workers=workers)

    whole = make()
    batches = iter(whole)
    next(batches)
    next(batches)
    state = whole.state_dict()
    rest = [b.tolist() for b in batches]
    again = make()
    again.load_state_dict(state)
    assert [b.tolist() for b in again] == rest


def test_torchtext_means_this_where_it_is_not_installed(tmp_path):
    program = tmp_path / "p.py"
    program.write_text(
        "import torch, torchtext.transforms as T\n"
        "from torchtext.vocab import Vocab\nfrom torchtext.data.utils import get_tokenizer\n"
        "print(T.VocabTransform(Vocab(['a', 'b']))(get_tokenizer('basic_english')('B A')), Vocab.__module__)\n"
        "try:\n    import torchtext.nothing\nexcept ModuleNotFoundError as e:\n    print(e.name)\n"
    )
    out = subprocess.run([sys.executable, "-m", "rushlight", program], capture_output=True, text=True, timeout=60)
    assert out.stdout == "[1, 0] rushlight.text.vocab\ntorchtext.nothing\n", out.stderr


def test_the_package_loads_its_parts_when_they_are_named():
    assert text.transforms is transforms and text.__version__
    with pytest.raises(AttributeError):
        text.nothing  # noqa: B018
