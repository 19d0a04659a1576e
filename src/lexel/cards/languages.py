"""Names of languages and scripts by their ISO codes; an unknown code is its own name."""

from __future__ import annotations

from collections.abc import Sequence

_LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish",
    "fr": "French", "ga": "Irish", "gl": "Galician", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian",
    "hy": "Armenian", "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian",
    "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "lzh": "Classical Chinese", "mk": "Macedonian", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "sl": "Slovene", "sr": "Serbian", "sv": "Swedish", "ta": "Tamil", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian",
    "ur": "Urdu", "vi": "Vietnamese", "yue": "Cantonese", "zh": "Chinese",
}  # fmt: skip
_SCRIPTS = {
    "Arab": "Arabic letters", "Cyrl": "Cyrillic letters", "Deva": "Devanagari", "Grek": "Greek letters",
    "Hang": "Hangul", "Hani": "Chinese characters", "Hans": "simplified Chinese characters",
    "Hant": "traditional Chinese characters", "Hebr": "Hebrew letters", "Hira": "Hiragana", "Kana": "Katakana",
    "Latn": "Latin letters", "Thai": "Thai letters",
}  # fmt: skip


def language_names(codes: Sequence[str]) -> list[str]:
    """English names of languages."""
    return [_LANGUAGES.get(code.lower(), code) for code in codes]


def script_name(code: str) -> str:
    """English name of a script."""
    return _SCRIPTS.get(code, code)
