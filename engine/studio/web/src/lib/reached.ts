/** Of an element whose content may be larger than it: while it scrolls, the keyboard reaches it as well. */
export function reached(box: HTMLElement): () => void {
  const watched = new ResizeObserver(() => {
    const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
  for (const one of [box, ...box.children]) watched.observe(one);
  return () => watched.disconnect();
}
