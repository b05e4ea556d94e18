#!/usr/bin/env python3
# Goal: what the contract documents is exercised: each operation with each status it can have.
"""contract_test.py --records FOLDER: the records are where FB_CONTRACT_RECORDS says, or in FOLDER."""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import record  # noqa: E402


def missing(contract, seen):
    """Each documented (operationId, METHOD, template, status) that no record shows."""
    for method, template, operation in contract.operations():
        for status in operation["responses"]:
            if status != "default" and (method, template, int(status)) not in seen:
                yield operation["operationId"], method, template, status


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--records")
    place = os.environ.get("FB_CONTRACT_RECORDS") or parser.parse_args().records
    if not place or not os.path.isdir(place):
        sys.exit(f"contract_test: there are no records at {place}: run api.api first")
    contract = record.Contract()
    seen = record.read(place)
    never = list(missing(contract, seen))
    documented = sum(len([s for s in operation["responses"] if s != "default"])
                     for _, _, operation in contract.operations())
    for name, method, template, status in never:
        print(f"never exercised: {name}: {method} {template} {status}")
    print(f"{documented - len(never)} of {documented} documented answers were seen")
    sys.exit(1 if never else 0)


if __name__ == "__main__":
    main()
