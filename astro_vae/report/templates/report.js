"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const root = document.documentElement;

  // A page opened from disk may not be allowed to remember anything: the choice then lasts as long as the page.
  const memory = {
    get: () => { try { return localStorage.getItem("astro_vae-theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("astro_vae-theme", value); } catch { /* as above */ } },
  };
  const asked = new URLSearchParams(location.search).get("theme") || memory.get();
  if (asked === "light" || asked === "dark") root.dataset.theme = asked;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    memory.set(root.dataset.theme);
  });

  // The same model stays chosen in every group of tabs.
  const groups = all("[data-tabs]").filter((group) => group.children.length > 1);
  const choose = (name) => groups.forEach((group) => {
    const tabs = all(":scope > .tab", group);
    if (!tabs.some((tab) => tab.dataset.name === name)) return;
    tabs.forEach((tab) => { tab.hidden = tab.dataset.name !== name; });
    all(".tablist button", group).forEach((b) => b.setAttribute("aria-selected", String(b.dataset.name === name)));
  });
  groups.forEach((group) => {
    const tabs = all(":scope > .tab", group);
    const list = document.createElement("div");
    list.className = "tablist";
    list.setAttribute("role", "tablist");
    tabs.forEach((tab) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.name = button.textContent = tab.dataset.name;
      button.setAttribute("role", "tab");
      button.addEventListener("click", () => choose(tab.dataset.name));
      list.append(button);
    });
    group.prepend(list);
    choose(tabs[0].dataset.name);
  });

  const value = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent;
  const compare = (a, b) => {
    // What is missing comes last, whichever way the table is sorted.
    const [x, y] = [Number(a), Number(b)];
    if (a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    return a.localeCompare(b, undefined, { numeric: true });
  };
  const sort = (table, column) => {
    const head = table.tHead.rows[0].cells[column];
    const next = head.getAttribute("aria-sort") === "descending" || (column === 0 && !head.hasAttribute("aria-sort"));
    const sign = next ? 1 : -1;
    all("th", table.tHead).forEach((cell) => cell.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", next ? "ascending" : "descending");
    const missing = (v) => v === "" || v === "nan";
    const rows = all("tr", table.tBodies[0]).map((row) => [value(row, column), row]);
    rows.sort(([a], [b]) => (missing(a) || missing(b) ? missing(a) - missing(b) : sign * compare(a, b)));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };

  all("table[data-ranking]").forEach((table) => {
    const tools = table.closest(".tab").querySelector(".tools");
    const [search, label, part] = all("input, select", tools);
    const rows = all("tr", table.tBodies[0]);
    rows.forEach((row) => { row.dataset.words = row.textContent.toLowerCase(); });
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row) => {
        const fits = words.every((word) => row.dataset.words.includes(word))
          && (!label.value || (row.dataset.label || "unlabelled") === label.value)
          && (!part.value || row.dataset.part === part.value);
        row.hidden = !fits;
        shown += fits;
      });
      tools.querySelector(".count").textContent = `${shown} of ${rows.length} rows`;
    };
    tools.hidden = false;
    tools.addEventListener("input", filter);
    filter();
    all("th", table.tHead).forEach((cell, column) => {
      if (!("sort" in cell.dataset)) return;
      cell.tabIndex = 0;
      cell.addEventListener("click", () => sort(table, column));
      cell.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(table, column); });
    });
    table.tBodies[0].addEventListener("click", (event) => {
      const row = event.target.closest("button.open")?.closest("tr");
      if (row) look(row);
    });
  });

  const dialog = document.getElementById("look");
  let current = null;
  const look = (row) => {
    current = row;
    const heads = all("th", row.closest("table").tHead);
    dialog.querySelector(".big").replaceChildren(row.querySelector(".thumb").cloneNode(true));
    dialog.querySelector("h3").textContent = row.cells[2].dataset.v;
    dialog.querySelector(".where").textContent = row.dataset.position;
    dialog.querySelector(".why").textContent = row.querySelector(".reason").dataset.v;
    const list = dialog.querySelector("dl");
    list.replaceChildren();
    heads.forEach((head, i) => {
      if (i === 1 || i === 2 || row.cells[i].classList.contains("reason") || !row.cells[i].textContent.trim()) return;
      const term = document.createElement("dt");
      const data = document.createElement("dd");
      term.textContent = head.textContent;
      data.innerHTML = row.cells[i].classList.contains("n") ? row.cells[i].innerHTML : "";
      if (!data.innerHTML) data.textContent = row.cells[i].textContent;
      list.append(term, data);
    });
    if (!dialog.open) dialog.showModal();
  };
  const move = (by) => {
    let row = current;
    do { row = by > 0 ? row.nextElementSibling : row.previousElementSibling; } while (row && row.hidden);
    if (row) look(row);
  };
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
    if (event.target.dataset.move) move(Number(event.target.dataset.move));
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") move(1);
    if (event.key === "ArrowLeft") move(-1);
  });
  all(".strip figure").forEach((figure) => figure.addEventListener("click", () => {
    const rows = all("#anomalies table[data-ranking] tbody tr");
    const row = rows.find((r) => r.cells[2].dataset.v === figure.dataset.id);
    if (row) look(row);
  }));

  const whole = document.getElementById("whole");
  all("figure.wide img").forEach((picture) => {
    const open = () => {
      Object.assign(whole.querySelector("img"), { src: picture.src, alt: picture.alt });
      whole.showModal();
    };
    picture.tabIndex = 0;
    picture.addEventListener("click", open);
    picture.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
  });
  whole.addEventListener("click", () => whole.close());
})();
