"""Facts about languages from a vocabulary: tokenizer costs of each language, and the script of its pieces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lexel.text.letters import main_script
from lexel.text.pieces import Tokenizer

SAMPLES: Mapping[str, str] = {
    "English": "The library opens at nine, and on Sundays the small shop next door sells bread, old books and coffee.",
    "Chinese, simplified": "图书馆每天九点开门，星期天隔壁的小店还卖面包、旧书和新鲜的咖啡。",
    "Chinese, traditional": "圖書館每天九點開門，星期天隔壁的小店還賣麵包、舊書和新鮮的咖啡。",
    "Japanese": "図書館は毎日九時に開き、日曜日には隣の小さな店でパンや古本やコーヒーを売っています。",
    "Korean": "도서관은 매일 아홉 시에 열고, 일요일에는 옆집 작은 가게에서 빵과 책과 커피를 팝니다.",
    "Thai": "ห้องสมุดเปิดเก้าโมงทุกวัน และวันอาทิตย์ร้านเล็กข้างๆ ขายขนมปัง หนังสือ และกาแฟ",
    "Arabic": "تفتح المكتبة أبوابها في التاسعة كل يوم، ويبيع المتجر الصغير المجاور الخبز والكتب والقهوة يوم الأحد.",
    "Russian": "Библиотека открывается в девять, а по воскресеньям маленькая лавка рядом продаёт хлеб, книги и кофе.",
    "Hindi": "पुस्तकालय रोज़ नौ बजे खुलता है, और रविवार को पास की छोटी दुकान रोटी, किताबें और कॉफ़ी बेचती है।",
    "German": "Die Bücherei öffnet um neun, und sonntags verkauft der kleine Laden nebenan Brot, Bücher und Kaffee.",
    "Spanish": "La biblioteca abre a las nueve, y los domingos la pequeña tienda de al lado vende pan, libros y café.",
    "Vietnamese": "Thư viện mở cửa lúc chín giờ, và chủ nhật cửa hàng nhỏ bên cạnh bán bánh mì, sách và cà phê.",
}
"""The same sentence in each language."""

MOST_PIECES = 10_000
"""Number of pieces whose letters are examined; larger vocabularies are sampled evenly."""

_NAME = re.compile(r"\[.+\]|<.+>")
"""A piece that is a name rather than text: ``[unused1]``, ``<mask>``."""


class LanguageCost(NamedTuple):
    """The tokenizer costs of a language.

    Attributes:
        pieces_per_char: Pieces per character; the fewer, the better the vocabulary fits.
        unknown: Share of unknown pieces.
    """

    pieces_per_char: float
    unknown: float


def language_costs(tokenizer: Tokenizer) -> dict[str, LanguageCost]:
    """Tokenizer costs of each language, by name."""
    pieces = tokenizer.encode(list(SAMPLES.values()))
    unknown = tokenizer.special.unk
    costs = {}
    for i, (name, text) in enumerate(SAMPLES.items()):
        ids = pieces.ids[pieces.bounds[i] : pieces.bounds[i + 1]]
        share = 0.0 if unknown is None or not len(ids) else float(np.mean(ids == unknown))
        costs[name] = LanguageCost(len(ids) / len(text), share)
    return costs


class Vocabulary(NamedTuple):
    """Facts about a model's texts from its vocabulary.

    Attributes:
        script: The script of most pieces (ISO 15924); ``Jpan`` for ideographs with many kana. ``None`` without letters.
        mask: The spelling of a mask, if there is one.
    """

    script: str | None
    mask: str | None


def look_at_vocabulary(tokenizer: Tokenizer) -> Vocabulary:
    """The script of most pieces, and the spelling of the mask."""
    n = tokenizer.n_own_pieces
    strings = tokenizer.strings(range(0, n, -(-n // MOST_PIECES)))
    readable = (tokenizer.join([string]) for string in strings if not _NAME.fullmatch(string))
    mask = tokenizer.special.mask
    return Vocabulary(main_script(readable), None if mask is None else tokenizer.strings([mask])[0])
