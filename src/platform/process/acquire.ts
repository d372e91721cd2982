/**
 * Builds something out of resources that must be released: each is put on the stack where it is acquired. The stack
 * runs the releases in reverse, here if building fails half way, later by whoever owns what was built.
 */
export async function acquire<Built>(
  build: (releases: AsyncDisposableStack) => Promise<Built>,
): Promise<Built> {
  const releases = new AsyncDisposableStack()
  try {
    return await build(releases)
  } catch (error) {
    await releases.disposeAsync()
    throw error
  }
}
