// ipywidgets typesets its labels through MathJax 2's queue, which MathJax 3 does not have.
if (window.MathJax?.startup) {
  window.MathJax.Hub = {
    Queue: ([, , element]) => window.MathJax.startup.promise.then(() => window.MathJax.typesetPromise([element])),
  };
}

// The handle of a slider is announced without a name, and with the position's number for a value.
document.addEventListener("focusin", ({ target: handle }) => {
  if (!handle.matches(".noUi-handle") || handle.hasAttribute("aria-label")) {
    return;
  }
  const slider = handle.closest(".widget-slider");
  const readout = slider.querySelector(".widget-readout");
  const announce = () => handle.setAttribute("aria-valuetext", readout.textContent);
  handle.setAttribute("aria-label", slider.querySelector(".widget-label").textContent);
  new MutationObserver(announce).observe(readout, { childList: true, characterData: true, subtree: true });
  announce();
});
