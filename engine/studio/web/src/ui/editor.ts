/** The editors in a file of their own: only pages that need them read it. */
import Editor from "./Editor.svelte";
import YamlEditor from "./author/YamlEditor.svelte";

export { YamlEditor };
export default Editor;
