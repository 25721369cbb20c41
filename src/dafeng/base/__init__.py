"""Records and rules that every room shares: units, periods, places, observations, targets, obligations, findings, errors.

Nothing here reads or writes anything.
"""
