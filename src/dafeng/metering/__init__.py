"""Metering: readings to intervals, quality, roll-up to buildings and places, quota and benchmark."""
