"""The report's style sheet."""

STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #1a1a1a; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid #ccc; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: 0; }
dt { color: #555; } dd { margin: 0; font-variant-numeric: tabular-nums; }
figure { margin: .5rem 0; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 36rem; height: auto; }
.cause { min-width: 18rem; }
figcaption, caption { color: #555; font-size: .85rem; text-align: left; }
caption { padding-bottom: .3rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; }
th, td { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; }
thead th { border-bottom: 1px solid #888; vertical-align: bottom; }
tbody tr:nth-child(even) { background: #f5f5f5; }
th.n { text-align: right; }
td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
details { border-top: 1px solid #ddd; padding: .4rem 0; }
summary { cursor: pointer; font-weight: 600; } summary small { font-weight: 400; color: #555; }
a { color: #0058a3; }
@media print { details:not([open]) > summary { list-style: none; } }
"""
