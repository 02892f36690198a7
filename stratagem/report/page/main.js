"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
document.getElementById("page").replaceChildren(...(data.kind === "sweep" ? sweepPage(data) : programPage(data)));
