"""Spreadsheets: XLSX, XLS, and how both show their cells."""
