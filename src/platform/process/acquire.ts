/**
 * Builds something out of resources that must be released: each is put on the stack where it is acquired. The stack
 * releases in reverse order: here if building fails half way, later in the hands of the owner of the result.
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
