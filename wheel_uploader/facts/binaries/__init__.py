"""Compiled code: ELF, Mach-O and PE."""
