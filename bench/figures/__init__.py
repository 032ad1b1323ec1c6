# SPDX-License-Identifier: GPL-2.0
"""The figures and tables, a module for each.

A module has FIGURE, what the report says of it, and measure(bed, options), which yields its records as it gets them.  Its
docstring is how it is measured, and is printed beneath the figure.
"""
