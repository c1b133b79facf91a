"""Masking of personal data before a text reaches a report, a log or an error message.

| placeholder | masked |
|---|---|
| EMAIL | addresses, also with letters of any script, and with (at) or 골뱅이 |
| RRN | resident and foreigner registration numbers (주민등록번호, 외국인등록번호): a date of birth, 1-8, six digits |
| CARD | 13-16 digits that start like a payment card and satisfy the Luhn check (ISO/IEC 7812-1) |
| LICENCE | driving licences: 11-12-345678-90, or with a region's name in front |
| PHONE | Korean numbers: mobile, area codes, 050/070/080, +82, service numbers such as 1588-1234 |
| BUSINESS | business registration numbers with a right check digit, or that are called one |
| ACCOUNT | 10-16 digits beside a bank's name or the word for an account |
| PASSPORT | Korean passports, before and since 2021 |
| IP | public IPv4 and IPv6 addresses; those of a private network say nothing about a person |
| SECRET | what opens something: user and password or a signature in an address, an access token |
| ADDRESS | Korean postal addresses with a district: by road (도로명) or by plot (지번) |

The patterns read a plain view of the text: NFKC, every dash as `-`, every dot as `.`, without characters that do not
show. What they find is masked in the text itself. Names of people are not found: that takes a model, not patterns.
Prices, dates, versions, scores and order numbers are meant to stay.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sentiment.text.places import CITIES, COUNTIES, DISTRICTS, PROVINCES

if TYPE_CHECKING:
    import polars as pl  # masking one text has no use for it

# No part of a pattern repeats without a bound, so the time grows as the text does.
_END = r"(?!\d)(?!-\d)"
_START = r"(?<![\d+])(?<!\d-)"
_S = r"[ ./)_-]{0,3}"  # between groups whose lengths say enough
_DASH = r" ?[-./] ?"

_TLD = r"(?:[A-Za-z]{2,24}|[Xx][Nn]--[A-Za-z0-9-]{2,30}|한국|닷컴|닷넷|삼성|테스트)"
_DOMAIN = rf"(?:(?!-)[\w-]{{1,63}}\.){{1,8}}{_TLD}(?![A-Za-z0-9])"
_LOCAL = r"[A-Za-z0-9][A-Za-z0-9._%+'-]{0,63}"
_AT = r"(?: ?@ ?| ?[(\[](?:at|AT|골뱅이)[)\]] ?| ?골뱅이 ?)"
# Korean before a Latin name is the sentence, written without a space.
_MAIL = rf"{_LOCAL}{_AT}{_DOMAIN}|(?:[^\WA-Za-z]|[.-]){{1,64}}@{_DOMAIN}"
_OPENS = "token|secret|signature|passw|pwd|api.?key|access.?key|credential"
_PARAMETER = rf"[\w.-]{{0,30}}?(?:{_OPENS})[\w.-]{{0,20}}|sig|key|auth"
_SECRET = (
    r"(?<=://)[^\s/@:]{0,200}:[^\s/@]{1,200}(?=@)|"
    rf"(?<=[?&;])(?:{_PARAMETER})=[^\s&#\"']{{1,2000}}|"
    r"(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{20,200}|gh[pousr]_[A-Za-z0-9]{20,200}|(?:AKIA|ASIA)[0-9A-Z]{16})(?![A-Za-z0-9])"
)
_DATE_OF_BIRTH = (
    r"\d\d(?:(?:0[13578]|1[02])(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)(?:0[1-9]|[12]\d|30)|02(?:0[1-9]|[12]\d))"
)
_RESIDENT = rf"(?<!\d){_DATE_OF_BIRTH}(?: ?[-./_] ?| )?[1-8]\d{{6}}(?!\d)"
_C = "[ ./-]{1,2}"
_CARD = (
    r"(?<!\d)(?<!\d-)(?=[3-69]|2[2-7])"
    rf"(?:\d{{4}}{_C}\d{{4}}{_C}\d{{4}}{_C}\d{{4}}|\d{{4}}{_C}\d{{6}}{_C}\d{{4,5}}|\d{{13,16}}|"
    r"\d([ -])(?:\d\1){11,14}\d)(?!\d)(?!-\d)"
)
_REGION = r"(?:서울|부산|경기|강원|충북|충남|전북|전남|경북|경남|제주|대구|인천|광주|대전|울산)"
_LICENCE = (
    rf"(?<!\d)(?<!\d-)(?:(?:1[1-9]|2[0-8])(?:{_DASH}| )|{_REGION} ?-? ?)"
    rf"\d\d(?:{_DASH}| )\d{{6}}(?:{_DASH}| )\d\d{_END}"
)
_MOBILE = rf"(?:\(01[016-9]\)|01[016-9]){_S}\d{{3,4}}{_S}\d{{4}}"
_SPACED_MOBILE = r"0([ .-])1\1[016-9](?:\1\d){7,8}|01[016-9](?:[ .-]\d\d){4}|01[016-9](?:[ .-]\d){8}"
_AREA_CODE = r"(?:2|[3-6][1-5]|70|80|50\d?)"
_AREA = rf"(?:\(0{_AREA_CODE}\)|0{_AREA_CODE}){_S}\d{{3,4}}{_S}\d{{4}}"
_COUNTRY_CODE = (
    rf"(?:(?:\+|00)82[ ./-]{{0,3}}\(?0?\)?|82[ ./-]{{1,3}}0?){_S}(?:1[016-9]|{_AREA_CODE}){_S}\d{{3,4}}{_S}\d{{4}}"
)
_SERVICE = r"(?:15(?:22|33|44|51|55|66|77|88|99)|16(?:00|01|11|44|60|61|66|70|88)|18(?:00|11|33|55|77|99))"
_PHONE = rf"{_START}(?:{_COUNTRY_CODE}|{_MOBILE}|{_SPACED_MOBILE}|{_AREA}){_END}"
_SERVICE_PHONE = rf"{_START}(?<![\d.,]){_SERVICE}(?P<between>(?:{_DASH}| )?)(?P<last>\d{{4}}){_END}(?!\s?(?:년|원))"
_BUSINESS = rf"(?<!\d)(?<!\d-)\d{{3}}(?:{_DASH}| )?\d\d(?:{_DASH}| )?\d{{5}}{_END}"
_ACCOUNT = (
    r"(?<!\d)(?<!\d-)(?:\d{10,16}|\d{2,6}(?:[ -]{1,2}\d{1,8}){1,4})(?!\d)(?!-\d)"
    r"(?! ?(?:원|명|개|만|억|번째|회|점|달러))"
)
_PASSPORT = r"(?<![A-Za-z0-9])[MSRGDmsrgd] ?(?:\d{8}|\d{3}[A-Za-z]\d{4})(?![A-Za-z0-9])"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"(?<![\d.])(?<![A-Za-z\d]-)(?:{_OCTET}\.){{3}}{_OCTET}(?!\.?\d)(?![A-Za-z])"
_IPV6 = r"(?<![\w:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])"
_IN_DISTRICT = (
    rf"(?:(?:{PROVINCES}) ?)?(?:(?:{CITIES}|{COUNTIES})(?: ?(?:{DISTRICTS}))?|(?:{DISTRICTS})|세종(?:특별자치)?시)"
)
_COUNTED = "점|개|명|원|년|월|분|시간|위|편|화|%|호선|층짜리|km|m"
_NUMBER = rf"\d{{1,5}}(?: ?- ?\d{{1,4}})?(?!\d|[.,]\d| ?(?:{_COUNTED})(?![가-힣]))"
_VILLAGE = "(?:[가-힣]{1,5}[읍면] ?)?"
_BY_ROAD = rf"{_VILLAGE}[가-힣A-Za-z0-9.]{{1,12}}(?:대로|로|길) ?(?:\d{{1,4}}(?:번?[가나다]?길|번안길) ?)?{_NUMBER}"
_BY_PLOT = rf"{_VILLAGE}[가-힣]{{1,6}}\d?(?:동|읍|면|리|가) ?(?:산 ?)?{_NUMBER}(?:번지)?"
_HOUSE = "아파트|빌라|오피스텔|맨션|빌딩|타워|주택"
_UNIT = (
    rf"(?:,? ?\(?[가-힣A-Za-z0-9]{{1,12}}(?:{_HOUSE})\)?)?"
    r"(?:,? ?\d{1,4}동)?(?:,? ?\d{1,3}층)?(?:,? ?\d{1,4}호)?"
)
_ADDRESS = rf"(?<![가-힣]){_IN_DISTRICT} ?(?:{_BY_PLOT}|{_BY_ROAD}){_UNIT}"

_CALL = re.compile(r"전화|고객|콜|문의|상담|연락|대표|번호|센터|tel|call|phone|☎|☏|📞", re.IGNORECASE)
_GOODS = re.compile(
    r"주문|송장|운송|바코드|상품|제품|모델|품번|시리얼|일련|버전|코드|order|tracking|model|serial|s/n|ver|v\.?$",
    re.IGNORECASE,
)
_BANK = re.compile(
    r"은행|뱅크|카뱅|국민|신한|우리|하나|농협|기업|새마을|우체국|수협|신협|제일|씨티|토스|계좌|입금|송금|account|KB|NH|IBK|SC"
)
_OF_BUSINESS = re.compile(r"사업자")
_OF_PASSPORT = re.compile(r"여권|passport", re.IGNORECASE)
_OF_VERSION = re.compile(r"ver|v\.?$|버전|펌웨어|version|release|빌드|업데이트|패치", re.IGNORECASE)
_BESIDE = 16  # characters before and after in which a word says what a number is
_YEARS = range(1000, 2100)


class _Match(NamedTuple):
    """What a pattern found in the view of a text, and what stands beside it."""

    found: re.Match[str]

    @property
    def digits(self) -> str:
        """Its digits alone."""
        return "".join(filter(str.isdecimal, self.found[0]))

    def before(self, characters: int) -> str:
        """So many characters before it, or all there are."""
        start = self.found.start()
        return self.found.string[max(0, start - characters) : start]

    def follows(self, words: re.Pattern[str]) -> bool:
        """Whether one of `words` stands shortly before it."""
        return bool(words.search(self.before(_BESIDE)))

    def is_beside(self, words: re.Pattern[str]) -> bool:
        """Whether one of `words` stands shortly before or after it."""
        end = self.found.end()
        return self.follows(words) or bool(words.search(self.found.string[end : end + _BESIDE // 2]))


def _is_resident(match: _Match) -> bool:
    """Since October 2020 the last six digits are drawn, so a wrong check digit proves nothing.

    But the barcodes of Korean goods begin with 880, as a birth in January 1988 does, and so do parts of addresses of
    pages.
    """
    if not match.found[0].isdecimal():
        return True
    digits = [int(digit) for digit in match.digits]
    is_barcode = match.digits.startswith("880") and (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0
    total = sum(weight * digit for weight, digit in zip((2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), digits, strict=False))
    is_right = (11 - total % 11) % 10 == digits[-1]
    is_other = is_barcode or len(set(digits)) < 3 or match.before(1) == "/"
    return not is_other and (is_right or not match.follows(_GOODS))


def _is_card(match: _Match) -> bool:
    digits = [int(digit) for digit in match.digits]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    written_as_one = match.found[0].isdecimal()
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and not (written_as_one and match.follows(_GOODS))


def _is_phone(match: _Match) -> bool:
    """Digits without anything between them may be an order number or part of a digest; written apart they are not."""
    if not match.found[0].isdecimal():
        return True
    end = match.found.end()
    before, after = match.before(2), match.found.string[end : end + 1]
    is_part = (after.isascii() and after.isalpha()) or (before[:1].isdecimal() and before[1:] == ".")
    return not is_part and not match.follows(_GOODS)


def _is_service_phone(match: _Match) -> bool:
    """With a dash, if it is no pair of years; else where it is called a number."""
    if match.follows(_CALL):
        return True
    is_span = int(match.found["last"]) in _YEARS and match.found["last"] > match.digits[:4]
    return match.found["between"].strip() == "-" and not is_span


def _is_business(match: _Match) -> bool:
    """Its check digit: 국세청, 사업자등록번호 검증."""
    digits = [int(digit) for digit in match.digits]
    total = sum(weight * digit for weight, digit in zip((1, 3, 7, 1, 3, 7, 1, 3, 5), digits, strict=False))
    is_right = (10 - (total + 5 * digits[8] // 10) % 10) % 10 == digits[9]
    if match.follows(_OF_BUSINESS):
        return True
    return is_right and match.found[0].count("-") == 2


def _is_account(match: _Match) -> bool:
    return 10 <= len(match.digits) <= 16 and match.is_beside(_BANK) and not match.follows(_GOODS)


def _is_passport(match: _Match) -> bool:
    if match.follows(_OF_PASSPORT):
        return True
    return match.found[0][:2].isalnum() and match.found[0][0] == "M" and not match.follows(_GOODS)


def _is_public_address(match: _Match) -> bool:
    try:
        address = ipaddress.ip_address(match.found[0])
    except ValueError:
        return False
    return address.is_global and len(match.digits) >= 6 and not match.follows(_OF_VERSION)


class _Rule(NamedTuple):
    """A kind of personal data.

    `digits`: how many it has at least; `needs`: what is quickly found where it stands; `holds`: what a match must be
    besides.
    """

    name: str
    digits: int
    pattern: re.Pattern[str]
    holds: Callable[[_Match], bool] = lambda _: True
    needs: re.Pattern[str] | None = None


_DIGIT = re.compile("[0-9]")
_SECRETS = re.compile(_SECRET, re.ASCII | re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{(?:env:)?\w{1,200}\}", re.ASCII)
# Whatever the name of the parameter: 16 characters with letters and digits are no word.
_ADDRESS_WITH_SECRET = re.compile(
    r"://[^/?#\s]{0,2000}[^/?#\s:]@|://[^?#\s]{0,2000}[?#](?:[^\s]{0,2000}&)?[^=&\s]{0,200}="
    r"(?=[^&#\s]{0,200}\d)(?=[^&#\s]{0,200}[A-Za-z])[^&#\s]{16}"
)
# What is found first wins: a resident number is also 13 digits, a card holds what looks like a phone number. Digits are
# ASCII in the view. Only e-mail addresses have letters of any script.
_RULES = (
    _Rule("SECRET", 0, _SECRETS, needs=re.compile("://|hf_|gh[pousr]_|A[KS]IA")),
    _Rule("EMAIL", 0, re.compile(_MAIL), needs=re.compile(r"@|골뱅이|[(\[](?:at|AT)[)\]]")),
    _Rule("RRN", 13, re.compile(_RESIDENT, re.ASCII), _is_resident),
    _Rule("CARD", 13, re.compile(_CARD, re.ASCII), _is_card),
    _Rule("LICENCE", 10, re.compile(_LICENCE, re.ASCII)),
    _Rule("PHONE", 9, re.compile(_PHONE, re.ASCII), _is_phone),
    _Rule("PHONE", 8, re.compile(_SERVICE_PHONE, re.ASCII), _is_service_phone),
    _Rule("BUSINESS", 10, re.compile(_BUSINESS, re.ASCII), _is_business),
    _Rule("ACCOUNT", 10, re.compile(_ACCOUNT, re.ASCII), _is_account),
    _Rule("PASSPORT", 7, re.compile(_PASSPORT, re.ASCII), _is_passport, re.compile("[MSRGDmsrgd]")),
    _Rule("IP", 4, re.compile(_IPV4, re.ASCII), _is_public_address, re.compile(r"\d\.\d")),
    _Rule("IP", 4, re.compile(_IPV6, re.ASCII), _is_public_address, re.compile(r":[0-9A-Fa-f]{0,4}:")),
    _Rule("ADDRESS", 1, re.compile(_ADDRESS, re.ASCII), needs=re.compile("[시군구] ?[가-힣A-Za-z]")),
)
KINDS = tuple(dict.fromkeys(rule.name for rule in _RULES))

# What every kind needs; most texts have neither. For columns a superset of it.
_HOLDS = re.compile(
    r"://|[@＠﹫\d\u00b2\u00b3\u00b9\u2070-\u2089\u2460-\u24ea\u2776-\u2793]|골뱅이|[(\[](?:at|AT)[)\]]"
)
_MAY_HOLD = r"://|[@＠﹫\p{N}]|골뱅이|[(\[](?:at|AT)[)\]]"
# Korean and ASCII are their own plain view, but for the vowel that looks like a dash.
_NOT_PLAIN = re.compile(r"[^\x00-\x7eㄱ-ㅠㅢㅣ가-힣]")
_DASHES = frozenset("\u02d7\u1173\u2043\u2212\u2500\u2501\u2574\u2796\u3030\u30fc\u3161\uff70\U00010ead")
_DOTS = frozenset("\u00b7\u2022\u2027\u2219\u22c5\u3002\u30fb\u318d\uff61\uff65")


def mask(text: str) -> str:
    """Replace personal data by `[EMAIL]`, `[PHONE]` and so on: see the table above."""
    if not _HOLDS.search(text):
        return text
    view, places = _plain(text)
    spans = _spans(view)
    if not spans:
        return text
    pieces, done = [], 0
    for start, end, name in spans:
        first, last = (places[start], places[end]) if places else (start, end)
        pieces += [text[done:first], f"[{name}]"]
        done = max(last, first + 1)
    return "".join([*pieces, text[done:]])


def holds_secret(text: str) -> bool:
    """Whether `text` has what opens something: `mask` would find it, or it is an address with a user or a long random
    value in it. References to variables are none.
    """
    plain = _VARIABLE.sub("", text)
    return bool(_ADDRESS_WITH_SECRET.search(plain) or _SECRETS.search(plain))


def mask_series(texts: "pl.Series") -> "pl.Series":
    """`mask` for a string column; nulls stay null."""
    from sentiment.text.hashing import map_rows

    return map_rows(texts, lambda rows: rows.str.contains(_MAY_HOLD), mask)


def _plain(text: str) -> tuple[str, list[int]]:
    """The view that patterns read, and the place in `text` of each of its characters and of its end.

    No places if the two are equal.
    """
    if not _NOT_PLAIN.search(text):
        return text, []
    view: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        folded = character if character.isascii() else _fold(character)
        view.append(folded)
        places += [place] * len(folded)
    places.append(len(text))
    return "".join(view), places


@lru_cache(4096)
def _fold(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cf", "Mn", "Me"}:  # zero-width and direction marks; the keycap around a digit
        return ""
    if category == "Pd" or character in _DASHES:
        return "-"
    return "." if character in _DOTS else unicodedata.normalize("NFKC", character)


def _spans(view: str) -> list[tuple[int, int, str]]:
    """Where personal data stands in the view and of what kind, in order and apart from each other."""
    digits = len(_DIGIT.findall(view))
    taken = bytearray(len(view))
    found: list[tuple[int, int, str]] = []
    for rule in _RULES:
        if digits < rule.digits or not (rule.needs is None or rule.needs.search(view)):
            continue
        for match in rule.pattern.finditer(view):
            start, end = match.span()
            if taken.find(1, start, end) == -1 and rule.holds(_Match(match)):
                taken[start:end] = b"\1" * (end - start)
                found.append((start, end, rule.name))
    return sorted(found)
