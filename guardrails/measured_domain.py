"""The domain assumed when the domain rail is measured and the settings describe none: company filings."""

DESCRIPTION = (
    "Questions about the annual and quarterly reports of listed companies. Revenue, profit, margins, cash flow, debt, "
    "inventory and ratios from the income statement, balance sheet and cash flow statement. Business segments, "
    "risks, legal proceedings, acquisitions, dividends, share buybacks and executives of a company"
)
EXAMPLES = (
    "What was the company's net sales in fiscal 2021?",
    "Did the operating margin improve compared with the prior year?",
    "What is the quick ratio at the end of the second quarter?",
    "Is this a capital-intensive business?",
    "How much did the company spend on share repurchases?",
    "Which segment grew the fastest?",
    "What drove the change in gross margin?",
    "How much long-term debt is on the balance sheet?",
    "What was the effective tax rate and why did it change?",
    "How does the company describe its foreign currency risk in the 10-Q?",
    "What legal proceedings were disclosed in the latest quarter?",
    "How did research and development expenses evolve over the past three quarters?",
    "Compare iPhone and services revenue for the same quarter of two years.",
    "Which products and services does the company offer?",
    "Who are the main customers and competitors?",
    "What changed in internal control over financial reporting?",
)
