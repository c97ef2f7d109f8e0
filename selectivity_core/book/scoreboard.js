(() => {
  const board = document.currentScript.previousElementSibling;
  const selects = [...board.querySelectorAll("select")];
  const apply = () => {
    const want = selects.map((s) => [s.dataset.filter, s.value]);
    for (const claim of board.querySelectorAll(".selectivity-claim")) {
      const lines = [...claim.querySelectorAll("li")];
      for (const line of lines) line.hidden = want.some(([name, value]) => value && line.dataset[name] !== value);
      claim.hidden = lines.every((line) => line.hidden);
    }
    for (const group of board.querySelectorAll("details")) {
      group.hidden = [...group.querySelectorAll(".selectivity-claim")].every((claim) => claim.hidden);
      if (want.some(([, value]) => value)) group.open = true;
    }
  };
  selects.forEach((select) => select.addEventListener("change", apply));
})();
