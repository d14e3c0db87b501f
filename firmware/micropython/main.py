"""A thermometer: reads, sends, obeys. Copy this, vorab.py and config.json onto the board; umqtt.simple comes with `mip`.

On a computer: `micropython main.py` (Unix port), with another config.json as the first argument if you like.
"""

import json
import sys
import time

from umqtt.simple import MQTTClient

from vorab import Device, Refused, next_boot


def temperature(n):
    """Put your sensor here."""
    return 20 + n % 50 / 10


def tls_of(config):
    """A context for TLS with a client certificate, or None where config.json names none."""
    if "ca" not in config:
        return None
    import ssl  # noqa: PLC0415 - not every board has it

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(cafile=config["ca"])
    made.load_cert_chain(config["cert"], config["key"])
    return made


def run(config):
    """Until the configured number of readings is in the log; 0 is for ever."""
    name, every = config["device"], {"s": config.get("every_s", 10)}
    client = MQTTClient(name, config["host"], config.get("port", 1883), keepalive=config.get("keepalive_s", 60), ssl=tls_of(config))
    device = Device(client, name, boot=next_boot(config.get("boot_file", "boot.txt")), tenant=config.get("tenant", "main"))

    def interval(params):
        if not 0 < params.get("every_s", 0) <= 3600:
            raise Refused("every_s is a number of seconds up to 3600")
        every["s"] = params["every_s"]
        return {"every_s": every["s"]}

    device.on("interval", interval)
    device.on("identify", lambda _params: {"device": name, "boot": device.boot, "lost": device.lost})
    wanted = config.get("messages", 0)
    connected, n = False, 0
    while not wanted or n < wanted or device.waiting:
        try:
            if not connected:
                device.connect()
                connected = True
                device.send_senml([{"n": "supply", "u": "V", "v": 3.3}])
            if not wanted or n < wanted:
                n += 1
                device.send({"temperature": temperature(n), "door": False})
            # Between two readings: hear commands and acknowledgements.
            until = time.time() + every["s"]
            while True:
                device.poll()
                if time.time() >= until:
                    break
                time.sleep(0.05)
        except OSError as error:
            print("no connection:", error)
            connected = False
            time.sleep(1)
    if config.get("goodbye", True):
        device.leave()
    print("sent", n, "acknowledged", device.acked, "lost", device.lost)


if __name__ == "__main__":
    with open(sys.argv[1] if len(sys.argv) > 1 else "config.json") as _file:
        run(json.load(_file))
