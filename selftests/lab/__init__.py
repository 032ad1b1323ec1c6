# SPDX-License-Identifier: GPL-2.0
"""The virtual test bed: kernels, guest images, networks and guests for MemNet's tests."""
