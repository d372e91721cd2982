import jsonata from 'jsonata'
import { isCardField } from '../../channels/contract/card-data.ts'

/** What a calculation can read, by name. */
export const calculationInputs = [
  'reservation',
  'finance',
  'financeLines',
  'customFields',
  'property',
] as const

/** The functions of a calculation: each is total, deterministic, and its cost follows from the size of what it is given. */
export const calculationFunctions: ReadonlySet<string> = new Set([
  ...['sum', 'count', 'max', 'min', 'average'],
  ...['number', 'floor', 'ceil', 'round', 'abs', 'sqrt', 'power'],
  ...['string', 'substring', 'substringBefore', 'substringAfter', 'lowercase', 'uppercase', 'length', 'trim'],
  ...['contains', 'replace', 'split', 'join'],
  ...['boolean', 'not', 'exists', 'lookup', 'append', 'reverse', 'keys', 'type'],
  ...['daysBetween', 'addDays'],
])

// Each of them makes the parser copy what stands before it, so that a nest of them would grow by powers of two.
const copyingOperators = /\?\?|\?:/g
const maxCopies = 6

const refusedNodes: Record<string, string> = {
  lambda:
    'functions of its own are not possible; a path such as financeLines[type = "tax"].total selects and computes',
  partial: 'functions of its own are not possible',
  regex: 'regular expressions are not possible; use $contains, $split or $replace with plain text',
  transform: 'the transform operator is not possible',
  sort: 'the sort operator is not possible',
  parent: 'the parent operator is not possible',
}
const plainNodes = new Set([
  ...['path', 'name', 'wildcard', 'descendant', 'filter'],
  ...['string', 'number', 'value', 'variable', 'bind'],
  ...['unary', 'binary', 'condition', 'block', 'function', 'apply'],
])
// Steps that carry one of these join, number or group what they find.
const refusedMarks = ['focus', 'index', 'ancestor', 'tuple', 'group']
const variableName = /^[A-Za-z][A-Za-z0-9_]*$/
const prototypeNames = new Set(['__proto__', 'constructor', 'prototype'])

type Node = Record<string, unknown>

/**
 * Why an expression may not be used as a calculation, each reason once; none if it may. Only a closed part of JSONata
 * is taken: no functions of its own, no recursion, no regular expressions, nothing that depends on time or chance. So
 * every calculation comes to an end, and the same reservation always gives the same value.
 */
export function findCalculationProblems(expression: string): string[] {
  if ((expression.match(copyingOperators)?.length ?? 0) > maxCopies) {
    return [`uses ?? and ?: more than ${maxCopies} times`]
  }
  let tree: unknown
  try {
    tree = jsonata(expression).ast()
  } catch (error) {
    return [describeSyntaxError(error)]
  }
  return checkTree(tree)
}

/** Whether a name may be used for a field of the reservation, in a path or in a calculation. */
export function refusedName(name: string): string | undefined {
  if (isCardField(name)) return `${name} is card data, which is never stored`
  if (prototypeNames.has(name)) return `${name} is not a field`
  return undefined
}

function checkTree(tree: unknown): string[] {
  const problems = new Set<string>()
  const variables = new Set(boundNames(tree))

  // `atRoot`: names are looked up in the whole input, not in what a step before has found.
  function visit(value: unknown, atRoot: boolean): void {
    if (Array.isArray(value)) {
      for (const inner of value) visit(inner, atRoot)
      return
    }
    if (!isNode(value)) return
    const type = typeof value.type === 'string' ? value.type : 'this construct'
    if (!plainNodes.has(type)) {
      problems.add(refusedNodes[type] ?? `${type} is not possible`)
      return
    }
    if (refusedMarks.some((mark) => mark in value)) {
      problems.add('joins, numbering and grouping are not possible')
    }
    checkNode(type, value)
    if (type === 'path') visitSteps(value.steps, atRoot)
    else visitParts(value, atRoot)
  }

  function visitSteps(steps: unknown, atRoot: boolean): void {
    const [first, ...others] = Array.isArray(steps) ? steps : []
    if (atRoot && isNode(first) && first.type === 'name') checkInput(String(first.value))
    visit(first, atRoot)
    visit(others, false)
  }

  function visitParts(node: Node, atRoot: boolean): void {
    for (const [key, inner] of Object.entries(node)) {
      if (key === 'procedure') continue
      visit(inner, atRoot && key !== 'stages' && key !== 'predicate')
    }
  }

  function checkNode(type: string, node: Node): void {
    if (type === 'function') checkCall(node.procedure)
    if (type === 'apply' && !(isNode(node.rhs) && node.rhs.type === 'function')) {
      problems.add('~> leads to a call such as $sum()')
    }
    if (type === 'variable') checkVariable(String(node.value))
    if (type === 'name' || type === 'string') {
      const reason = refusedName(String(node.value))
      if (reason !== undefined) problems.add(reason)
    }
  }

  function checkCall(procedure: unknown): void {
    const name = isNode(procedure) && procedure.type === 'variable' ? String(procedure.value) : undefined
    if (name === undefined) problems.add('a call begins with the name of a function, such as $sum(…)')
    else if (!calculationFunctions.has(name)) {
      problems.add(`$${name}() is not one of the functions that can be used`)
    }
  }

  function checkVariable(name: string): void {
    if (name === '' || name === '$') return
    if (calculationFunctions.has(name)) problems.add(`$${name} is a function and is called as $${name}(…)`)
    else if (!variables.has(name)) problems.add(`$${name} is not defined`)
    else if (!variableName.test(name) || prototypeNames.has(name)) {
      problems.add(`$${name} is not a name that can be given`)
    }
  }

  function checkInput(name: string): void {
    if (calculationInputs.some((input) => input === name)) return
    problems.add(`${name} is not known here; a field of the reservation is reservation.${name}`)
  }

  visit(tree, true)
  return [...problems]
}

function boundNames(value: unknown): string[] {
  if (!isNode(value)) return []
  const own = value.type === 'bind' && isNode(value.lhs) ? [String(value.lhs.value)] : []
  return [...own, ...Object.values(value).flatMap(boundNames)]
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null
}

// JSONata throws plain objects, and errors of its own making where it did not expect what it found.
function describeSyntaxError(error: unknown): string {
  const { message, position } = (typeof error === 'object' && error !== null ? error : {}) as Node
  const text = typeof message === 'string' ? message.slice(0, 200) : 'cannot be read'
  return typeof position === 'number' ? `${text} (at character ${position})` : text
}
