"""The record that labels hand on: one row a candidate trade, with the interval over which its outcome was decided."""

TRADE_COLUMNS = {
    "symbol": "str, instrument",
    "side": "int8, +1 long or -1 short",
    "decision_time": "datetime64[ms, UTC], close of the bar that raised the signal; nothing later is known",
    "entry_time": "datetime64[ms, UTC], open of the next bar",
    "end_time": "datetime64[ms, UTC], close of the bar in which the outcome was known",
    "entry_price": "float64, open of the next bar, before slippage",
    "exit_price": "float64, fill of the exit, before slippage",
    "risk": "float64, price distance of the stop from the entry: 1 R",
    "gross_r": "float64, outcome before costs in multiples of the risk",
    "net_r": "float64, outcome after fees and slippage in multiples of the risk",
    "won": "bool, net_r > 0",
    "exit": "str, stop | target | time",
}
"""Columns of a trades frame, sorted by decision_time then symbol, with a plain 0…n-1 index."""
