"""Numbers, why there are none, and the levels of DORA's report of 2023. Standard library only."""

DAY = 24 * 3_600
# Below so many seconds.
LEAD_TIME = {"elite": DAY, "high": 7 * DAY, "medium": 30 * DAY}
RECOVERY = {"elite": 3_600, "high": DAY, "medium": 7 * DAY}
# At most so many of a hundred.
FAILURES = {"elite": 5, "high": 10, "medium": 15}


def rank(percent, values):
    values = sorted(values)
    return values[max(1, -(-percent * len(values) // 100)) - 1] if values else None


def figure(value, why):
    return {"value": None, "reason": why} if value is None else {"value": value}


def spread(values, why):
    percentiles = {"median": 50, "p75": 75, "p95": 95}
    found = {name: figure(rank(percent, values), why) for name, percent in percentiles.items()}
    return {**found, "count": len(values)}


def share(part, whole):
    # As text: readers of JSON differ in the last digit.
    return repr(part / whole) if whole else None


def of_time(seconds, bounds):
    return None if seconds is None else next((level for level, bound in bounds.items() if seconds < bound), "low")


def of_failures(failed, finished):
    return next((level for level, bound in FAILURES.items() if failed * 100 <= bound * finished), "low")


def of_frequency(a_week, deploy_days, days):
    """`a_week` days in most weeks; or else a day in each month, of which the longest counts."""
    if a_week:
        return "elite" if a_week >= 5 else "high"
    return "medium" if deploy_days and days <= deploy_days * 31 else "low"
