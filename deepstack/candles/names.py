"""The symbol a file name carries: `BTCUSDT-1m-2025-01-04.csv` and `btcusdt_um_1m_2022-10.csv.gz` both say BTCUSDT."""

import re
from collections.abc import Iterable, Sequence

from deepstack.errors import DataError

_EXTENSIONS = re.compile(r"(\.(csv|tsv|parquet|pq|feather|ftr|json|gz|zip))+$", re.IGNORECASE)
_INTERVAL = re.compile(r"\d+(s|sec|m|min|h|hour|d|day|w|mo|t)|[dhm]|daily|hourly|minute|hour|day", re.IGNORECASE)
_DATE = re.compile(r"\d{4}(\d{2}){0,2}")
_MARKET_WORDS = frozenset(
    [
        *("spot", "um", "cm", "futures", "future", "perp", "perpetual", "swap", "margin", "klines", "kline"),
        *("ohlcv", "ohlc", "candles", "candle", "bars", "trade", "trades", "data", "to", "from", "prices"),
        "history",
    ]
)
_EXCHANGES = frozenset(
    [
        *("binance", "bitfinex", "bitget", "bitmex", "bitstamp", "bybit", "coinbase", "cryptocom", "deribit"),
        *("gateio", "gemini", "huobi", "kraken", "kucoin", "mexc", "okx", "poloniex"),
    ]
)


def symbol_from_names(names: Sequence[str]) -> str:
    """The symbol in the first of `names` that carries one, upper case, without separators (`BNB_USDT-1h` → BNBUSDT).

    A name is read up to its interval, date or market word; an exchange in front and a repeated settlement currency
    (freqtrade's `BTC_USDT_USDT`) are dropped. When no name carries a symbol, the first one does begin with it, however
    much it looks like something else (`D-1d.csv`, `DATA_USDT-1h.json`).
    """
    for name in names:
        symbol = _symbol(name)
        if symbol:
            return symbol
    whole = _EXTENSIONS.sub("", names[0])
    return _symbol(names[0], begins_with_it=True) or same_symbol_key(whole)


def same_symbol_key(symbol: str) -> str:
    """Equal for the spellings of one symbol: `BTC/USDT`, `btc_usdt`, `BTCUSDT`; letters of any script count."""
    return re.sub(r"[\W_]", "", symbol.upper()) or symbol


def choose_symbols(found: Iterable[str], asked: Sequence[str], owner: str) -> set[str]:
    """Those of the symbols found that are asked for, in any spelling; all of them where none is asked for.

    Args:
        owner: whose symbols they are, for the error.

    Raises:
        DataError: a symbol that is not there.
    """
    names = sorted(set(found))
    keys = {same_symbol_key(name) for name in names}
    missing = [symbol for symbol in asked if same_symbol_key(symbol) not in keys]
    if missing:
        raise DataError(
            "data.symbols",
            expected=f"symbols of {owner}: {', '.join(names[:20])}{', …' if len(names) > 20 else ''}",
            received=", ".join(missing),
            remedy="one of those",
        )
    wanted = {same_symbol_key(symbol) for symbol in asked} or keys
    return {name for name in names if same_symbol_key(name) in wanted}


def first_spellings(symbols: Iterable[str]) -> dict[str, str]:
    """Each spelling → the first one met of the same symbol, in the order given."""
    first: dict[str, str] = {}
    return {symbol: first.setdefault(same_symbol_key(symbol), symbol) for symbol in symbols}


def _symbol(name: str, *, begins_with_it: bool = False) -> str:
    parts: list[str] = []
    for token in re.split(r"[-_ .]+", _EXTENSIONS.sub("", name)):
        if not parts and token.lower() in _EXCHANGES:
            continue
        ends = _INTERVAL.fullmatch(token) or _DATE.fullmatch(token) or token.lower() in _MARKET_WORDS
        if ends and (parts or not begins_with_it):
            break
        parts.append(token.upper())
    if len(parts) == 3 and parts[1] == parts[2] and parts[1].isalpha():
        parts.pop()
    return "".join(parts)
