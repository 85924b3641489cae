"""The tokenizer: what people type, in several scripts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minnet.data import TokenIds, tokenize
from minnet.data.tokens import normalise, pack, unpack
from tests.drawing import steady


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I don't LIKE it, sorry.", ["i", "don't", "like", "it", "sorry"]),
        ("it\u2019s well-made", ["it's", "well-made"]),
        ("@John_99 see https://t.co/aB?x=1 or www.example.org!", ["@user", "see", "http", "or", "http"]),
        ("(www.example.org) Ewww...gross", ["http", "ewww", "...", "gross"]),
        ("mail me@home.org", ["mail", "me", "home", "org"]),
        ("#Best_Day ever#not", ["#best_day", "ever", "#not"]),
        ("sooooo goooood!!!!!!", ["sooo", "goood", "!!!"]),
        ("see you soon, 10000 times", ["see", "you", "soon", "10000", "times"]),
        ("what?! no...", ["what", "?!", "no", "..."]),
        (":) :-( ;D =P :'( <3 </3 ^_^ -_- T_T", [":)", ":-(", ";d", "=p", ":'(", "<3", "</3", "^_^", "-_-", "t_t"]),
        ("2011:Death, app://x :/ :D", ["2011", "death", "app", "x", ":/", ":d"]),  # marks, not faces
        ("HTTPS://T.CO/aB WWW.x.org", ["http", "http"]),
        ("a note (in brackets): here", ["a", "note", "in", "brackets", "here"]),
        ("👍👍🏽 ❤️ 👩‍👩‍👧 🇩🇪🇫🇷", ["👍", "👍", "❤", "👩‍👩‍👧", "🇩🇪", "🇫🇷"]),
        ("\U0001f3f4\U000e0067\U000e0062\U000e007f!", ["\U0001f3f4\U000e0067\U000e0062\U000e007f", "!"]),
        ("今天天气真好！", ["今", "天", "天", "气", "真", "好", "!"]),
        ("すごい映画", ["す", "ご", "い", "映", "画"]),
        ("ที่นี่ดีมาก iPhoneดี", ["ที่", "นี่", "ดี", "ม", "า", "ก", "iphone", "ดี"]),
        ("ຮ້ານນີ້ ភាសាខ្មែរ မြန်မာ", ["ຮ້", "າ", "ນ", "ນີ້", "ភា", "សា", "ខ្", "មែ", "រ", "မြ", "န်", "မာ"]),
        ("यह अच्छी फिल्म", ["यह", "अच्छी", "फिल्म"]),
        ("ОЧЕНЬ плохо", ["очень", "плохо"]),
        ("أحب هذا", ["أحب", "هذا"]),
        ("Ｆｕｌｌ ﬁne", ["full", "fine"]),
        ("fish &amp; chips &lt;3", ["fish", "chips", "<3"]),
        ("I\\u2019m here\\u002c now", ["i'm", "here", "now"]),
        ("a won\u00adder\u2060ful no\u00adtable\ufeff day", ["a", "wonderful", "notable", "day"]),
        ("#हिन्दी @हिन्दी #ดีมาก hi", ["#हिन्दी", "@user", "#ดีมาก", "hi"]),
        ("50% off €5", ["50", "off", "€", "5"]),
        ("", []),
        (" \n\t ", []),
        ("\0a\0b", ["a", "b"]),
    ],
)
def test_tokens(text, tokens):
    assert tokenize(text) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("not a good film, but fun", ["not", "not_a", "not_good", "not_film", "but", "fun"]),
        ("I don't like it but you do", ["i", "don't", "not_like", "not_it", "but", "you", "do"]),
        ("never again!! great", ["never", "not_again", "!!", "great"]),
        ("no 10 :) yes", ["no", "10", ":)", "not_yes"]),
        ("good", ["good"]),
    ],
)
def test_negation_reaches_to_the_end_of_its_phrase(text, tokens):
    assert tokenize(text, negation=True) == tokens


@steady(100)
@given(st.text())
def test_any_text_has_tokens_without_spaces_and_normalising_again_changes_nothing_the_tokenizer_sees(text):
    tokens = tokenize(text)
    assert all(token and not any(mark.isspace() or mark == "\0" for mark in token) for token in tokens)
    assert "\0" not in normalise(text)


@steady(100)
@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1)))
def test_packed_strings_come_back(words):
    assert unpack(pack(words)) == words
    assert pack(words).dtype == np.uint8


def test_lone_surrogates_survive():
    assert unpack(pack(["\ud83d", "ok"])) == ["\ud83d", "ok"]
    assert tokenize("broken \ud83d emoji") == ["broken", "\ud83d", "emoji"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (r"Lovely.\nTerrible\n\nNever again\n", ["lovely", "terrible", "never", "again"]),
        (r"great\r\n\tfood", ["great", "food"]),
        (r"so bad...\nnever", ["so", "bad", "...", "never"]),
        (r"good\nfood\nNo more", ["good", "food", "no", "more"]),  # one must be a break: all are
        (r"D\new\test yes\no", ["d", "new", "test", "yes", "no"]),
        (r"the \nabla AC\DC \m/", ["the", "nabla", "ac", "dc", "m"]),
        (r"I don\'t, you\'ll \'see\'", ["i", "don't", "you'll", "see"]),
    ],
)
def test_what_an_export_wrote_with_a_backslash_is_read_back_where_nothing_else_can_be_meant(text, tokens):
    assert tokenize(text) == tokens


def test_a_character_of_thousands_of_digits_is_left_as_it_is():
    assert tokenize("so bad &#" + "9" * 5000 + ";")[:2] == ["so", "bad"]


def test_an_emoji_that_json_spelled_out_is_that_emoji():
    assert tokenize(r"nice \ud83d\ude00") == tokenize("nice \N{GRINNING FACE}")
    assert len(TokenIds(buckets=8).transform([r"half \ud83d", "raw \udce9"])) == 2
