"""Words where scripts have no spaces, and letters with marks: what texts are compared by."""

import pytest

from engine.data.overlap import overlap, shared_rows
from engine.slicing.predicates import predicates
from engine.sql import evaluate_condition
from engine.stages.quality.text_guard import TextGuard
from engine.wording import (
    NgramIndex,
    PartIndex,
    Vocabulary,
    ngrams,
    without_a_word,
    words,
)

ROW = "昨天买的杯子碎了想把钱要回来怎么办"
THAI = "เมื่อวานแก้วที่ซื้อมาแตกอยากขอเงินคืนต้องทำอย่างไร"
LAO = "ມື້ວານນີ້ຈອກທີ່ຊື້ມາແຕກຢາກຂໍເງິນຄືນຕ້ອງເຮັດແນວໃດ"
JAPANESE = "昨日買ったカップが割れたので返金してほしいのですが"
SPACELESS = (ROW, THAI, LAO, JAPANESE)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't stop: it's 5.", ("don", "t", "stop", "it", "s", "5")),
        ("我要退款, OK", ("我", "要", "退", "款", "ok")),
        ("カップ", ("カ", "ッ", "プ")),
        ("แก้วน้ำ", ("แ", "ก้", "ว", "น้ํ", "า")),
        ("हिन्दी में", ("हिन्दी", "में")),
        ("Ünï", ("ünï",)),
        ("U\u0308ni\u0308", ("ünï",)),
        ("ＡＢ１", ("ab1",)),
    ],
)
def test_words(text: str, found: tuple[str, ...]) -> None:
    assert words(text) == found


@pytest.mark.parametrize("row", SPACELESS)
def test_a_row_without_spaces_that_a_text_quotes_is_found(row: str) -> None:
    vocabulary = Vocabulary()
    guard = TextGuard(vocabulary, [vocabulary.learn(row)], [])
    quote = guard.find(f"Write of purchases, for instance {row}, and vary them.")
    assert quote is not None
    assert quote.unit == "characters"
    most = row[: int(len(row) * 0.9)]
    assert guard.find(f"Such as {most}!") is not None
    assert guard.find(f"Such as {row[:5]} and others.") is None
    known = TextGuard(vocabulary, [vocabulary.learn(row)], [vocabulary.learn(f"{row}!")])
    assert known.find(row) is None


@pytest.mark.parametrize("row", SPACELESS)
def test_it_is_found_whole_in_a_prompt_and_by_its_ngrams(row: str) -> None:
    vocabulary = Vocabulary()
    learned = vocabulary.learn(row)
    index = NgramIndex(vocabulary, [learned], 5)
    assert index.containment(vocabulary.encode(f"{row}呢")) > 0.7
    assert index.containment(vocabulary.encode("完全不同的一句话在这里说别的事情")) == 0
    prompt = vocabulary.encode(f"Rows: {row}.")
    assert list(PartIndex(vocabulary, [learned], 4).within(prompt)) == [learned]
    assert len(ngrams(row, 5)) > 5


def test_as_many_characters_are_compared_as_make_up_the_words() -> None:
    assert {len(gram) for gram in ngrams(ROW, 5)} == {8}
    assert {len(gram) for gram in ngrams("a b c d e f g 中", 5)} == {5}


def test_a_word_less() -> None:
    assert without_a_word("a b  c") == ["b c", "a c", "a b"]
    assert without_a_word("退款") == ["款", "退"]


@pytest.mark.parametrize("row", SPACELESS)
def test_near_rows_of_other_splits_are_counted(row: str) -> None:
    counted = overlap("train", shared_rows([f"{row}！", f"{row}呢", "别的话"], [row], 5))
    assert (counted.same, counted.near) == (1, 1)


def test_a_slice_of_words_without_spaces_holds_where_they_stand() -> None:
    rows = [{"text": f"{'请问' if n % 2 else ''}第{n}件商品。"} for n in range(40)]
    found = {one.description: one.sql for one in predicates(rows, False, 5)}
    sql = found["rows whose text has the words '请问'"]
    assert evaluate_condition(sql, rows) == [n % 2 == 1 for n in range(40)]
