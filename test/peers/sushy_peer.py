"""The four steps with OpenStack's sushy. Prints one JSON object: step -> "ok" or why not."""

import json
import logging
import sys

import sushy

logging.disable(logging.CRITICAL)
address, user, password, right = sys.argv[1:5]
outcome, state = {}, {}


def step(name, run):
    try:
        outcome[name] = run()
    except Exception as error:  # any: this is what a user of the library would see
        outcome[name] = f"{type(error).__name__}: {error}"[:200]


def read():
    state["root"] = sushy.Sushy(address, user, password, verify=False)
    state["system"] = system = state["root"].get_system_collection().get_members()[0]
    macs = [nic.mac_address for nic in system.ethernet_interfaces.get_members()]
    power = system.power_state.value if system.power_state else None
    said = " ".join(str(part) for part in [system.json.get("SerialNumber"), system.uuid, power, *macs])
    return "ok" if said.lower() == right.lower() else f"read {said}"


step("read", read)
step("pxe", lambda: state["system"].set_system_boot_options(
    target=sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE) or "ok")
step("on", lambda: state["system"].reset_system(sushy.ResetType.ON) or "ok")
step("off", lambda: state["system"].reset_system(sushy.ResetType.FORCE_OFF) or "ok")
try:
    state["root"]._auth.close()
except Exception:
    pass
print(json.dumps(outcome))
