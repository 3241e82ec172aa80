// Points and remarks that were typed in, as a table that goes in again.
"use strict";
const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
const tables = {
  written: ["file,cell,points,of,remark", ".marking", (box) => [
    box.dataset.file, box.dataset.cell,
    ...["points", "of", "remark"].map((name) => box.querySelector(`[name=${name}]`).value),
  ]],
  remarks: ["group,remark", "textarea[data-group]", (box) => [box.dataset.group, box.value]],
};
for (const place of document.querySelectorAll("[data-save]")) {
  const name = place.dataset.save;
  const [head, boxes, row] = tables[name];
  place.hidden = false;
  place.querySelector("button").addEventListener("click", () => {
    const rows = [...document.querySelectorAll(boxes)].map((box) => row(box).map(quoted).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff" + [head, ...rows].join("\n") + "\n"], { type: "text/csv" }));
    link.download = `${name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
