"""Qualities: what is asked for is 1 to 10, what is stored are sixteenths of it."""

from __future__ import annotations

LEVELS = 10  # whole qualities; between two of them everything is interpolated
LOWEST, HIGHEST = 16, 16 * LEVELS  # in sixteenths
MIDDLE = (LOWEST + HIGHEST) // 2  # networks are told how far from it a quality is
