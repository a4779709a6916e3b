"""How results are written down: HTML pages, tables, charts, and the export of numbers to CSV and Parquet."""
