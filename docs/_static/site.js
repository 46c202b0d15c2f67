// What the theme leaves to do for keyboards and screen readers: what scrolls can be reached, captions have a level.
window.addEventListener("load", () => {
  for (const box of document.querySelectorAll("pre, .table-wrapper, .math, .sphx-glr-script-out"))
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
  for (const caption of document.querySelectorAll("p.caption[role=heading]")) caption.setAttribute("aria-level", "2");
  document.querySelector("aside.sidebar-drawer")?.setAttribute("aria-label", "Pages");
  document.querySelector("aside.toc-drawer")?.setAttribute("aria-label", "On this page");
});
