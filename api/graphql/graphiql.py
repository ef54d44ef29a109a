"""The page for browsers: GraphiQL where its scripts can be loaded, a plain editor where there is no network.

GraphiQL itself comes from a public script host, pinned by version and checksum. The fallback needs nothing but this
page: a deployment without internet still gets a place to type a query and read the answer.
"""

from __future__ import annotations

import orjson

EXAMPLE = """# Ctrl-Enter runs the query. As of a day: what was known then.
{
  seriesList(first: 5) {
    totalCount
    edges {
      node {
        id
        title
        units
        source { name }
        dataPoints(last: 4) { date value revisionDate }
      }
    }
  }
}
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>finlake GraphQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" crossorigin href="https://unpkg.com/graphiql@3.8.3/graphiql.min.css"
  integrity="sha384-Mq3vbRBY71jfjQAt/DcjxUIYY33ksal4cgdRt9U/hNPvHBCaT2JfJ/PTRiPKf0aM">
<style>
  body { margin: 0; height: 100vh; font: 14px system-ui, sans-serif; }
  #graphiql { height: 100vh; }
  #plain { display: none; height: 100vh; box-sizing: border-box; padding: 1rem; gap: 1rem;
    grid-template: auto 3fr auto 1fr / 1fr 1fr; }
  #plain header { grid-column: 1 / 3; }
  #plain textarea, #plain pre { font: 13px ui-monospace, monospace; width: 100%; height: 100%; margin: 0;
    box-sizing: border-box; padding: .5rem; border: 1px solid #8888; resize: none; }
  #plain pre { grid-area: 2 / 2 / 5 / 3; overflow: auto; white-space: pre-wrap; }
</style>
</head>
<body>
<div id="graphiql"></div>
<main id="plain">
  <header>
    <b>finlake GraphQL</b> &middot; GraphiQL's scripts could not be loaded; this plain editor works without a network.
    <button id="run">Run (Ctrl-Enter)</button>
  </header>
  <textarea id="query" aria-label="Query" spellcheck="false"></textarea>
  <label for="variables">Variables (JSON)</label>
  <textarea id="variables" spellcheck="false"></textarea>
  <pre id="result" aria-live="polite"></pre>
</main>
<script crossorigin src="https://unpkg.com/react@18.2.0/umd/react.production.min.js"
  integrity="sha384-tMH8h3BGESGckSAVGZ82T9n90ztNXxvdwvdM6UoR56cYcf+0iGXBliJ29D+wZ/x8"></script>
<script crossorigin src="https://unpkg.com/react-dom@18.2.0/umd/react-dom.production.min.js"
  integrity="sha384-bm7MnzvK++ykSwVJ2tynSE5TRdN+xL418osEVF2DE/L/gfWHj91J2Sphe582B1Bh"></script>
<script crossorigin src="https://unpkg.com/graphiql@3.8.3/graphiql.min.js"
  integrity="sha384-HbRVEFG0JGJZeAHCJ9Xm2+tpknBQ7QZmNlO/DgZtkZ0aJSypT96YYGRNod99l9Ie"></script>
<script>
const example = @EXAMPLE@;
const url = window.location.pathname;

function graphiql() {
  const fetcher = GraphiQL.createFetcher({ url });
  const page = React.createElement(GraphiQL, { fetcher, defaultQuery: example });
  ReactDOM.createRoot(document.getElementById("graphiql")).render(page);
}

function plain() {
  const at = (id) => document.getElementById(id);
  at("graphiql").remove();
  at("plain").style.display = "grid";
  at("query").value = example;
  async function run() {
    at("result").textContent = "...";
    try {
      const variables = at("variables").value.trim() ? JSON.parse(at("variables").value) : {};
      const answer = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify({ query: at("query").value, variables }),
      });
      at("result").textContent = JSON.stringify(await answer.json(), null, 2);
    } catch (error) {
      at("result").textContent = String(error);
    }
  }
  at("run").onclick = run;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  });
}

if (window.GraphiQL && window.React && window.ReactDOM) graphiql(); else plain();
</script>
</body>
</html>
""".replace("@EXAMPLE@", orjson.dumps(EXAMPLE).decode())
