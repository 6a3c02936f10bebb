"""The symbol a file name carries: `BTCUSDT-1m-2025-01-04.csv` and `btcusdt_um_1m_2022-10.csv.gz` both say BTCUSDT."""

import re
from collections.abc import Sequence

_EXTENSIONS = re.compile(r"(\.(csv|tsv|parquet|pq|feather|ftr|json|gz|zip))+$", re.IGNORECASE)
_INTERVAL = re.compile(r"\d+(s|sec|m|min|h|hour|d|day|w|mo|t)|[dhm]|daily|hourly|minute|hour|day", re.IGNORECASE)
_DATE = re.compile(r"\d{4}(\d{2}){0,2}")
_MARKET_WORDS = frozenset(
    [
        *("spot", "um", "cm", "futures", "future", "perp", "perpetual", "swap", "margin", "klines", "kline"),
        *("ohlcv", "ohlc", "candles", "candle", "bars", "trade", "trades", "data", "to", "from", "prices"),
        *("history"),
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
    (freqtrade's `BTC_USDT_USDT`) are dropped. When no name carries a symbol, the whole first name stands for it.
    """
    for name in names:
        symbol = _symbol(name)
        if symbol:
            return symbol
    return re.sub(r"[^A-Z0-9]", "", _EXTENSIONS.sub("", names[0]).upper()) or names[0]


def same_symbol_key(symbol: str) -> str:
    """Equal for the spellings of one symbol: `BTC/USDT`, `btc_usdt`, `BTCUSDT`."""
    return re.sub(r"[^A-Z0-9]", "", symbol.upper()) or symbol


def _symbol(name: str) -> str:
    parts: list[str] = []
    for token in re.split(r"[-_ .]+", _EXTENSIONS.sub("", name)):
        if not parts and token.lower() in _EXCHANGES:
            continue
        if _INTERVAL.fullmatch(token) or _DATE.fullmatch(token) or token.lower() in _MARKET_WORDS:
            break
        parts.append(token.upper())
    if len(parts) == 3 and parts[1] == parts[2]:
        parts.pop()
    return "".join(parts)
