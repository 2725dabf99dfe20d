(() => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const options = { renderer: "svg", actions: false, ast: false };
  const drawn = [];
  const draw = (place, spec) => {
    const shown = document.createElement("div");
    shown.style.width = "100%";
    place.replaceChildren(shown);
    return window.vegaEmbed(shown, spec, options);
  };
  for (const place of document.querySelectorAll("[data-chart]")) {
    drawn.push(draw(place, specs[place.dataset.chart]));
  }
  const choice = document.getElementById("choice");
  if (choice) {
    const place = document.querySelector('[data-chart="layer"]');
    const texts = document.querySelectorAll("[data-view]");
    const show = () => {
      for (const text of texts) text.hidden = text.dataset.view !== choice.value;
      return draw(place, specs.layers[Number(choice.value)]);
    };
    choice.addEventListener("change", show);
    choice.closest(".interactive").hidden = false;
    for (const text of texts) text.hidden = text.dataset.view !== choice.value;
  }
  Promise.all(drawn).then(
    () => { document.documentElement.dataset.drawn = "all"; },
    (error) => { document.documentElement.dataset.drawn = "failed"; console.error(error); },
  );
})();
