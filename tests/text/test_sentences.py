"""Sentences by rule: the table below is the specification."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.text.sentences import split_sentences

# Each case shows where one text is cut: "|" is not part of it.
CASES = [
    # Chinese
    "今天天氣很好。|我們去公園。",
    "你去嗎？|我不去！|好吧。",
    "什么？！|你说什么？？？|真的！！！",
    "他說：「你好。」|她笑了。",
    "「走吧！」|他站起來。",
    "「走吧！」，他說。|她沒有動。",
    "他說『好。』|然後走了。",
    "他说：“我来了。”|大家都笑了。",
    "‘是的。’|他点头。",
    "他说完了。|“你好”是问候。",
    "（他沒有來。）|我們等了很久。",
    "他真的（太好了！）很開心。|我也是。",
    "他來了（真的！）。|我沒有。",
    "我……我不知道。",
    "但是……那又怎樣？|沒關係。",
    "「我……」|他沒有說完。",
    "他走了……|「等等我！」",
    "他走了……\n|她哭了。",
    "真的嗎……？|是的……。|好。",
    "一、甲；二、乙；三、丙。|完。",
    "他說：好的，我來：就這樣。",
    "圓周率是3.14，不是3.15。|對。",
    "圓周率是３．１４。|對。",
    "我愛你．|你呢",
    "你好!|我是王小明.|你呢?|我很好",
    '他說"好。"|然後走了。',
    '他说:"你好。"|"你也好。"|然后走了。',
    "請看 https://example.com/a?b=c。|謝謝。",
    "第一行\n|第二行",
    "第一段。\r\n|\r\n|第二段",
    "版本2.0發布了。|Windows 11也是。",
    '他喊"走吧！"，又喊"停。"|然後"跑！"|沒人動。',
    # Western punctuation
    "It rained. |We left.",
    "Is it? |Yes! |Good.",
    "Mr. Smith met Dr. Jones. |They talked.",
    "He lives in the U.S. and works.",
    "He lives in the U.S. |He likes it.",
    "U.S. President Joe Smith spoke. |It was long.",
    "Many fruits, e.g. apples, i.e. Red Delicious, are sweet. |Some are not.",
    "Pi is 3.14. |Really.",
    "It costs $3.50. |Cheap.",
    "See www.example.com/a.b?c=d!e for more. |Thanks.",
    "Mail me at a.b@c.org. |I answer.",
    "J. K. Rowling and George W. Bush met. |Nothing happened.",
    "He works for Acme Inc. in Ohio. |She does not.",
    "He works for Acme Inc. |She works for Bolt Ltd. |They earn well.",
    "See Fig. 3 and No. 5, vol. 2. |It is clear.",
    "He said no. |Then he left.",
    "A work of art. |The best.",
    "The meeting is at 5 p.m. on Jan. 5. |Come early.",
    "Wait... what? |Nothing.",
    "He left... |She stayed.",
    "Well… maybe. |Or not.",
    '"Stop!" he said. |"Why?" she asked.',
    'He said, "Stop." |She did.',
    "He said, “Stop.” |She did.",
    "(It was late.) |We slept.",
    "Yahoo! is a company. |So is Google.",
    "1. First point. |2. Second point.",
    "1. First\n|2. Second",
    "It was 1990. |20 people came.",
    "Version 2.0.1 is out. |Get it.",
    "It ended.[1] |The next began.[2][3] |Done.",
    "what? |no idea. really",
    "the end of it. the next one",
    "He died (see p. 12). |She lived.",
    "node.js and .NET are fine. |OK.",
    "Er kam am 3. Oktober an. |Sie kam am 4. November.",
    "Das ist z. B. gut. |Sie kam.",
    "Hello!!! |How are you?! |Fine",
    "Er sagte: „Komm.“ |Sie kam.",
    "¿Qué pasa? |¡Nada! |Bueno.",
    "Он пришёл. |Она ушла, т.е. уехала.",
    "Το είπε. |Αλήθεια;",
    # other scripts
    "今日は雨です。|傘を持って行きます。",
    "「行こう！」|と彼は言った。",
    "이것은 책이다. |저것은 연필이다.",
    "यह किताब है। |वह कलम है।",
    "هذا كتاب. |هل هذا قلم؟ |نعم.",
    "یہ کتاب ہے۔ |وہ قلم ہے۔",
    "สวัสดีครับ วันนี้ฝนตก พ.ศ. 2500 ดร. สมชาย",
    "สวัสดีครับ\n|วันนี้ฝนตก",
    "ይህ መጽሐፍ ነው። |ያ ብዕር ነው።",
    "Սա գիրք է։ |Դա գրիչ է։",
    "នេះជាសៀវភៅ។ |នោះជាប៊ិច។",
    "ဒါ စာအုပ်။ |ဒါ ဘောပင်။",
    # edges
    "",
    "   \n \t ",
    "。。。",
    "no end",
    "  spaces around.  |  Both sides.  ",
    "好😀。|😀😀!",
    "a\u2028|b\u2029|c\x85|d",
]


@pytest.mark.parametrize("case", CASES)
def test_a_text_is_cut_where_its_table_row_says(case: str) -> None:
    expected = [part.strip() for part in case.split("|") if part.strip()]

    found = split_sentences(case.replace("|", ""))

    assert [span.text for span in found] == expected


def test_the_table_has_at_least_sixty_rows() -> None:
    assert len(CASES) >= 60


def test_every_sentence_carries_its_label_and_offsets() -> None:
    span = split_sentences(" 好。 壞。")[1]

    assert (span.start, span.end, span.text, span.label) == (4, 6, "壞。", "sentence")


ALPHABET = st.sampled_from(list("aB1 .!?…。！？」』”’）)\"'「“（(\n\r\t,，、漢字ก ।؟\ud800é")) | st.characters()


@given(st.text(ALPHABET, max_size=80))
def test_every_character_but_white_space_is_in_exactly_one_sentence(text: str) -> None:
    spans = split_sentences(text)

    inside = [i for span in spans for i in range(span.start, span.end)]
    assert len(inside) == len(set(inside))
    assert {i for i, char in enumerate(text) if not char.isspace()} <= set(inside)
    assert all(span.text == span.text.strip() != "" for span in spans)


@pytest.mark.parametrize(
    "text", ["a. " * 30_000, "。" * 90_000, '"' * 90_000, "a." * 45_000, "e.g. " * 20_000, ". " * 45_000]
)
def test_the_time_grows_no_faster_than_the_text(text: str) -> None:
    spans = split_sentences(text)  # a quadratic step would take minutes here

    assert len(spans) >= 1
