"""Texts that a schema's limit cut."""

from engine.stages.augment.generate import whole_sentences


def test_a_text_cut_at_the_limit_keeps_its_whole_sentences() -> None:
    text = "My box is late. Where is it? I have been waiting for"
    assert whole_sentences(text, len(text)) == "My box is late. Where is it?"


def test_a_text_below_the_limit_is_left_alone_and_one_without_an_end_too() -> None:
    assert whole_sentences("My box is late. Where", 90) == "My box is late. Where"
    assert whole_sentences("v1.5 and nothing that ends", 26) == "v1.5 and nothing that ends"
