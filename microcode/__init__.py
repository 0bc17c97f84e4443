"""Microcode and its host-side halves: macros, firmware and services that ship with the emulator."""
